package wire

import (
	"net/netip"
	"strings"
)

// Octet classes of RFC 9110 and RFC 3986, as bits of one table.
const (
	tokenOctet  = 1 << iota // RFC 9110 section 5.6.2: field names, methods
	valueOctet              // RFC 9110 section 5.5: VCHAR, obs-text, SP, HTAB; never CR, LF, NUL or another control
	targetOctet             // RFC 3986: printable, without space and "#"; obs-text, because servers in use accept it
	hostOctet               // RFC 3986 section 3.2.2: reg-name without percent-encoding
	hexOctet
	digitOctet
	pathOctet  // RFC 3986 section 3.3: pchar and "/"
	queryOctet // RFC 3986 section 3.4: pchar, "/" and "?"
)

var octets = func() (t [256]uint8) {
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark := func(set string, class uint8) {
		for i := range len(set) {
			t[set[i]] |= class
		}
	}
	mark(alnum+"!#$%&'*+-.^_`|~", tokenOctet)
	mark(alnum+"-._~!$&'()*+,;=", hostOctet)
	mark("0123456789abcdefABCDEF", hexOctet)
	mark("0123456789", digitOctet)
	mark(alnum+"-._~!$&'()*+,;=:@/%", pathOctet|queryOctet)
	mark("?", queryOctet)
	for c := range 256 {
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= valueOctet
		}
		if c > ' ' && c != 0x7f && c != '#' {
			t[c] |= targetOctet
		}
	}
	return t
}()

// ValidToken reports whether s is a token (RFC 9110 section 5.6.2): a method or a field name.
func ValidToken[S string | []byte](s S) bool { return len(s) > 0 && all(s, tokenOctet) }

// ValidValue reports whether s has only the octets of a field value. The empty value is valid.
func ValidValue[S string | []byte](s S) bool { return all(s, valueOctet) }

// ValidTarget reports whether s has only the octets of a request target. It does not check the form of the target.
func ValidTarget[S string | []byte](s S) bool { return all(s, targetOctet) }

// IsHex reports whether c is a hexadecimal digit.
func IsHex(c byte) bool { return octets[c]&hexOctet != 0 }

// ValidHost reports whether s is a host with an optional port, as in a Host field: a name, an IPv4 address or an IPv6
// literal. Percent-encoding and zones are invalid, because readers disagree on which host they name.
func ValidHost[S string | []byte](s S) bool {
	end := 0
	if len(s) > 0 && s[0] == '[' {
		for end < len(s) && s[end] != ']' {
			end++
		}
		if end == len(s) {
			return false
		}
		if ip, err := netip.ParseAddr(string(s[1:end])); err != nil || !ip.Is6() || ip.Zone() != "" {
			return false
		}
		end++
	} else {
		for end < len(s) && octets[s[end]]&hostOctet != 0 {
			end++
		}
	}
	if end == 0 || end == len(s) {
		return end > 0
	}
	port := s[end+1:]
	return s[end] == ':' && len(port) <= 5 && all(port, digitOctet)
}

// SameHost reports whether two valid hosts name the same authority: in any case of letters, and with or without the
// default port of http or https (RFC 9110 section 4.2.3).
func SameHost(a, b string, https bool) bool {
	port := ":80"
	if https {
		port = ":443"
	}
	trim := func(host string) string { return strings.TrimSuffix(strings.TrimSuffix(host, port), ":") }
	return strings.EqualFold(trim(a), trim(b))
}

// all reports whether every octet of s has the class.
func all[S string | []byte](s S, class uint8) bool {
	for i := range len(s) {
		if octets[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// EqualFold reports whether s equals the lower-case word, ignoring case.
func EqualFold[S string | []byte](s S, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// TrimOWS removes the optional whitespace of RFC 9110 section 5.6.3 from both ends.
func TrimOWS[S string | []byte](s S) S {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// Elements calls yield for each element of a comma-separated list, until yield returns false. It skips empty elements.
func Elements[S string | []byte](s S, yield func(S) bool) {
	for len(s) > 0 {
		end := 0
		for end < len(s) && s[end] != ',' {
			end++
		}
		if e := TrimOWS(s[:end]); len(e) > 0 && !yield(e) {
			return
		}
		s = s[min(end+1, len(s)):]
	}
}

// HasToken reports whether a comma-separated list has the lower-case word as an element, ignoring case.
func HasToken[S string | []byte](list S, word string) (found bool) {
	Elements(list, func(e S) bool {
		found = EqualFold(e, word)
		return !found
	})
	return found
}

// parseLength reads a Content-Length: digits only, no sign, no space, at most 2^63-1.
func parseLength(s []byte) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 19 {
		return 0, false
	}
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, n >= 0 // 19 digits can overflow into the sign, but not beyond: 9999999999999999999 < 2^64
}
