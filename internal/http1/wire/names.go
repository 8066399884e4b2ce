package wire

import (
	"net/http"
	"slices"
	"strings"
)

// connectionFields are the fields that describe one connection and the framing on it, in lower case.
var connectionFields = []string{
	"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// proxyFields are the other fields that a proxy must not forward, in lower case.
var proxyFields = []string{"proxy-authenticate", "proxy-authorization", "http2-settings"}

// hopByHop are the canonical names of both lists.
var hopByHop = func() (names []string) {
	for _, name := range slices.Concat(connectionFields, proxyFields) {
		names = append(names, CanonicalName(name))
	}
	return names
}()

// IsConnectionField reports whether the field describes one connection or the framing on it, in any case of letters:
// Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding or Upgrade. The sender of a message derives
// these fields from the message, so users cannot set them. Content-Length is not among them.
func IsConnectionField(name string) bool {
	for _, word := range connectionFields {
		if EqualFold(name, word) {
			return true
		}
	}
	return false
}

// RemoveHopByHop deletes from h the fields that a proxy must not forward (RFC 9110 section 7.6.1): the connection
// fields, those for the authentication at a proxy and for an upgrade to HTTP/2, and those that the Connection field
// names.
func RemoveHopByHop(h http.Header) {
	for _, list := range h["Connection"] {
		Elements(list, func(name string) bool {
			h.Del(name)
			return true
		})
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// ForbiddenInTrailer reports whether a field decides about framing, routing or the connection, so that it would come
// too late in a trailer section (RFC 9110 section 6.5.1). Fields that are only useless in a trailer section are
// allowed.
func ForbiddenInTrailer[S string | []byte](name S) bool {
	for _, word := range [...]string{
		"transfer-encoding", "content-length", "host", "trailer", "connection", "keep-alive", "te", "upgrade",
	} {
		if EqualFold(name, word) {
			return true
		}
	}
	return false
}

// canonicalNames are the names for which CanonicalName does not allocate, in any case of letters.
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

// CanonicalName returns the form of a valid name that http.Header uses as key. It allocates only for a name that is
// neither common nor already canonical.
func CanonicalName(name string) string {
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
