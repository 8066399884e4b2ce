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

// Key names one request of one caller. The same Value of two callers is two keys: nobody gets another's answer.
type Key struct {
	Caller string // who asks, such as a user or tenant id: 1 to 255 bytes of UTF-8 without control characters
	Value  string // what the caller chose: 1 to 255 visible ASCII characters
}

func (k Key) check() error {
	if len(k.Caller) == 0 || len(k.Caller) > maxCaller || !utf8.ValidString(k.Caller) ||
		strings.ContainsFunc(k.Caller, unicode.IsControl) {
		return ErrCaller
	}
	return checkValue(k.Value)
}

func checkValue(v string) error {
	if len(v) == 0 || len(v) > maxKey {
		return fmt.Errorf("%w: it has %d characters, not 1 to %d", ErrKey, len(v), maxKey)
	}
	for i := range len(v) {
		if v[i] < '!' || v[i] > '~' {
			return fmt.Errorf("%w: character %d is not visible ASCII", ErrKey, i+1)
		}
	}
	return nil
}

// lock returns the number under which the key is locked while it is in flight.
func (k Key) lock() int64 {
	h := sha256.New()
	writeParts(h, "idempotency", k.Caller, k.Value)
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

// KeyOf returns the key of a request: ErrNoKey without an Idempotency-Key header, ErrKey if there are two of them or
// [ParseKey] refuses it.
func KeyOf(r *http.Request) (string, error) {
	switch all := r.Header.Values(Header); len(all) {
	case 0:
		return "", ErrNoKey
	case 1:
		return ParseKey(all[0])
	}
	return "", fmt.Errorf("%w: there are several", ErrKey)
}

// ParseKey reads the value of an Idempotency-Key header and returns the key: 1 to 255 visible ASCII characters. Anything
// else is ErrKey.
//
// draft-ietf-httpapi-idempotency-key-header-07 wants a quoted string (RFC 8941, section 3.3.3); most clients send the
// bare key. Both are accepted, and "abc" with its quotes is the same key as abc without. What begins with a quote must be
// a whole quoted string, in which only \" and \\ are escapes, and nothing may follow it.
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
				return "", fmt.Errorf("%w: something follows its closing quote", ErrKey)
			}
			return key.String(), nil
		case '\\':
			i++
			if i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", fmt.Errorf("%w: a backslash must escape a quote or a backslash", ErrKey)
			}
		}
		key.WriteByte(s[i])
	}
	return "", fmt.Errorf("%w: its closing quote is missing", ErrKey)
}

// writeParts writes each part behind its length, so that no two lists of parts look the same.
func writeParts(w io.Writer, parts ...string) {
	for _, p := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		w.Write(length[:])
		io.WriteString(w, p)
	}
}
