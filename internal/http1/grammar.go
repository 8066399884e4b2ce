package http1

import (
	"net/netip"
	"strings"
)

// The octets that RFC 9110 and RFC 3986 allow in each place, as bits of one table.
const (
	isToken  = 1 << iota // RFC 9110 section 5.6.2: field names, methods
	isValue              // section 5.5: VCHAR, obs-text, SP, HTAB; never CR, LF, NUL or another control
	isTarget             // RFC 3986: printable, without space and "#"; obs-text, because servers in use accept it
	isHost               // RFC 3986 section 3.2.2: reg-name without percent-encoding
	isHex
	isDigit
)

var octets = func() (t [256]uint8) {
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark := func(set string, bit uint8) {
		for i := range len(set) {
			t[set[i]] |= bit
		}
	}
	mark(alnum+"!#$%&'*+-.^_`|~", isToken)
	mark(alnum+"-._~!$&'()*+,;=", isHost)
	mark("0123456789abcdefABCDEF", isHex)
	mark("0123456789", isDigit)
	for c := range 256 {
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= isValue
		}
		if c > ' ' && c != 0x7f && c != '#' {
			t[c] |= isTarget
		}
	}
	return t
}()

// all reports whether every octet of s has the bit.
func all[S string | []byte](s S, bit uint8) bool {
	for i := range len(s) {
		if octets[s[i]]&bit == 0 {
			return false
		}
	}
	return true
}

func validToken[S string | []byte](s S) bool { return len(s) > 0 && all(s, isToken) }

// fold reports whether s is the lower-case word, in any case. s consists of valid octets of its place, so that the
// bit trick cannot confuse a control character with punctuation.
func fold[S string | []byte](s S, word string) bool {
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

// trimOWS drops the optional whitespace of RFC 9110 section 5.6.3 on both sides.
func trimOWS[S string | []byte](s S) S {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// elements calls yield for each non-empty element of a comma-separated list.
func elements[S string | []byte](s S, yield func(S) bool) {
	for len(s) > 0 {
		end := 0
		for end < len(s) && s[end] != ',' {
			end++
		}
		if e := trimOWS(s[:end]); len(e) > 0 && !yield(e) {
			return
		}
		s = s[min(end+1, len(s)):]
	}
}

// hasToken reports whether one of the list's elements is the lower-case word.
func hasToken[S string | []byte](list S, word string) (found bool) {
	elements(list, func(e S) bool {
		found = fold(e, word)
		return !found
	})
	return found
}

// validHost reports whether s is a host with an optional port, as in a Host field: a name, an IPv4 address or an IPv6
// literal. Percent-encoding and zones are refused: what is a name to one reader is another name to the next.
func validHost[S string | []byte](s S) bool {
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
		for end < len(s) && octets[s[end]]&isHost != 0 {
			end++
		}
	}
	if end == 0 || end == len(s) {
		return end > 0
	}
	port := s[end+1:]
	return s[end] == ':' && len(port) <= 5 && all(port, isDigit)
}

// decimal reads a length: digits only, no sign, no space, at most 2^63-1.
func decimal[S string | []byte](s S) (n int64, ok bool) {
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
	return n, n >= 0 // 19 digits overflow into the sign and no further: 9999999999999999999 < 2^64
}

// canonicalNames are the field names that need no allocation, whatever case they come in.
var canonicalNames = func() map[string]string {
	m := make(map[string]string, 80)
	for _, name := range strings.Fields(`
		Accept Accept-Charset Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Credentials
		Access-Control-Allow-Headers Access-Control-Allow-Methods Access-Control-Allow-Origin
		Access-Control-Expose-Headers Age Allow Alt-Svc Authorization Cache-Control Connection Content-Disposition
		Content-Encoding Content-Language Content-Length Content-Location Content-Range Content-Security-Policy
		Content-Type Cookie Cross-Origin-Opener-Policy Cross-Origin-Resource-Policy Date Etag Expect Expires Forwarded
		Grpc-Message Grpc-Status Host Idempotency-Key If-Match If-Modified-Since If-None-Match If-Range
		If-Unmodified-Since Keep-Alive Last-Modified Link Location Origin Permissions-Policy Pragma
		Proxy-Authenticate Proxy-Authorization Range Referer Referrer-Policy Retry-After Sec-Websocket-Accept
		Sec-Websocket-Key Server Server-Timing Set-Cookie Strict-Transport-Security Te Traceparent Trailer
		Transfer-Encoding Upgrade User-Agent Vary Via Www-Authenticate X-Content-Type-Options X-Forwarded-For
		X-Forwarded-Host X-Forwarded-Proto X-Frame-Options X-Powered-By X-Real-Ip X-Request-Id X-Xss-Protection`) {
		m[name] = name
	}
	return m
}()

// canonicalName returns the form of a valid name that http.Header uses as key. It allocates only for a name that is
// neither common nor canonical already.
func canonicalName(name string) string {
	var buf [64]byte
	if len(name) > len(buf) {
		buf := make([]byte, len(name))
		canonicalize(buf, name)
		return string(buf)
	}
	canonical := buf[:len(name)]
	changed := canonicalize(canonical, name)
	if known, ok := canonicalNames[string(canonical)]; ok {
		return known
	}
	if !changed {
		return name
	}
	return string(canonical)
}

func canonicalize(dst []byte, name string) (changed bool) {
	upper := true
	for i := range len(name) {
		c := name[i]
		switch {
		case upper && 'a' <= c && c <= 'z':
			c -= 0x20
		case !upper && 'A' <= c && c <= 'Z':
			c += 0x20
		}
		changed = changed || c != name[i]
		dst[i] = c
		upper = c == '-'
	}
	return changed
}
