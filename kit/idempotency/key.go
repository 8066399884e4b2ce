package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Header is the request header that carries the key.
const Header = "Idempotency-Key"

const maxKey, maxCaller = 255, 255 // bytes

// Key identifies one request of one caller. The same Value of two callers is two keys, so a caller cannot get the
// response of another caller.
type Key struct {
	Caller string // the sender, such as a user or tenant id: 1 to 255 bytes of UTF-8 without control characters
	Value  string // what the caller has chosen: 1 to 255 visible ASCII characters
}

func (k Key) check() error {
	if len(k.Caller) == 0 || len(k.Caller) > maxCaller || !utf8.ValidString(k.Caller) ||
		strings.ContainsFunc(k.Caller, unicode.IsControl) {
		return ErrInvalidCaller
	}
	return checkValue(k.Value)
}

func checkValue(v string) error {
	if len(v) == 0 || len(v) > maxKey {
		return fmt.Errorf("%w: %d characters, want 1 to %d", ErrInvalidKey, len(v), maxKey)
	}
	for i := range len(v) {
		if v[i] < '!' || v[i] > '~' {
			return fmt.Errorf("%w: character %d is not visible ASCII", ErrInvalidKey, i+1)
		}
	}
	return nil
}

// lock returns the number of the advisory lock that a transaction with this key holds.
func (k Key) lock() int64 {
	h := sha256.New()
	writeParts(h, "idempotency", k.Caller, k.Value)
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

// KeyOf returns the key of a request. It returns ErrNoKey if the request has no Idempotency-Key header, and
// ErrInvalidKey if it has several or if [ParseKey] fails.
func KeyOf(r *http.Request) (string, error) {
	switch all := r.Header.Values(Header); len(all) {
	case 0:
		return "", ErrNoKey
	case 1:
		return ParseKey(all[0])
	}
	return "", fmt.Errorf("%w: the request has several", ErrInvalidKey)
}

// ParseKey parses the value of an Idempotency-Key header and returns the key: 1 to 255 visible ASCII characters. It
// returns ErrInvalidKey for any other value.
//
// draft-ietf-httpapi-idempotency-key-header-07 requires a quoted string (RFC 8941, section 3.3.3), but most clients
// send the bare key. ParseKey accepts both, and "abc" with quotes is the same key as abc without. A value that begins
// with a quote must be one complete quoted string. Its only escapes are \" and \\.
func ParseKey(header string) (string, error) {
	key := header
	if strings.HasPrefix(header, `"`) {
		var err error
		if key, err = unquote(header); err != nil {
			return "", err
		}
	}
	if err := checkValue(key); err != nil {
		return "", err
	}
	return key, nil
}

func unquote(s string) (string, error) {
	var key strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			if i != len(s)-1 {
				return "", fmt.Errorf("%w: text after the closing quote", ErrInvalidKey)
			}
			return key.String(), nil
		case '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", fmt.Errorf("%w: a backslash must escape a quote or a backslash", ErrInvalidKey)
			}
		}
		key.WriteByte(s[i])
	}
	return "", fmt.Errorf("%w: the closing quote is missing", ErrInvalidKey)
}

// writeParts writes the length of each part and the part, so that different lists of parts give different bytes.
func writeParts(w io.Writer, parts ...string) {
	for _, p := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		w.Write(length[:])
		io.WriteString(w, p)
	}
}
