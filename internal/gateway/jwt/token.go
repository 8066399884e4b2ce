package jwt

import (
	"encoding/base64"
	"strings"
)

const maxTokenBytes = 8 << 10

// token is a well-formed token. Its content is not verified yet.
type token struct {
	algorithm string
	kid       string // "" without one
	signed    string // the part that the signature covers
	signature []byte
	claims    string // in base64url
}

// parse reads a token in the compact form of RFC 7515, section 7.1.
func parse(s string) (t token, refusal *Refusal) {
	switch {
	case s == "":
		return t, errMissing
	case len(s) > maxTokenBytes:
		return t, errTooLong
	}
	header, rest, _ := strings.Cut(s, ".")
	claims, signature, three := strings.Cut(rest, ".")
	if !three {
		return t, errForm
	}
	t.claims = claims
	t.signed = s[:len(header)+1+len(claims)]
	var ok bool
	if t.signature, ok = decode(signature); !ok {
		return t, errForm
	}
	fields, ok := decode(header)
	if !ok {
		return t, errForm
	}
	return t, t.readHeader(fields)
}

// readHeader reads alg and kid from the header. It ignores keys that the header contains or refers to (jwk, jku, x5c,
// x5u).
func (t *token) readHeader(data []byte) *Refusal {
	header, err := parseObject(data)
	if err != nil {
		return errHeader
	}
	if _, critical := header["crit"]; critical {
		return errCritical
	}
	var ok bool
	if t.algorithm, ok = header["alg"].(string); !ok {
		return errHeaderField
	}
	if kid, has := header["kid"]; has {
		if t.kid, ok = kid.(string); !ok {
			return errHeaderField
		}
	}
	if typ, has := header["typ"]; has && !isAccessToken(typ) {
		return errType
	}
	return nil
}

// isAccessToken reports whether a typ can be that of an access token (RFC 8725, section 3.11). Issuers sign other
// tokens with the same keys, for example logout+jwt and secevent+jwt.
func isAccessToken(typ any) bool {
	s, _ := typ.(string)
	s = strings.ToLower(s)
	s = strings.TrimPrefix(s, "application/")
	return s == "jwt" || s == "at+jwt" || s == "jose"
}

// decode reads base64url as in RFC 7515: without padding, white space and unused bits. So each byte sequence has
// exactly one valid encoding.
func decode(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false // encoding/base64 skips them
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil
}
