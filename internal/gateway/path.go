package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// routingPath returns the decoded path by which a request is routed. An encoded slash stays encoded: it is part of a
// segment (npm's "/@scope%2fname") and must not lead to another route. The path is made from the one that the node
// will get, which may differ from the client's: policy.Strict encodes octets such as "|".
func routingPath(r *http.Request) string {
	if r.URL.RawPath == "" {
		return r.URL.Path
	}
	escaped := r.URL.EscapedPath()
	if !strings.Contains(strings.ToLower(escaped), "%2f") {
		return r.URL.Path
	}
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		segments[i] = decodeSegment(s)
	}
	return strings.Join(segments, "/")
}

func decodeSegment(s string) string {
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return s // not possible: net/url has accepted the path
	}
	return strings.ReplaceAll(decoded, "/", "%2F")
}

// hostName returns a Host without port and trailing dots, in lower case. An IPv6 address keeps its brackets.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.TrimRight(strings.ToLower(host), ".")
}
