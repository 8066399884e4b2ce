package policy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// placeholderValue returns the value of a placeholder of a template. It has no control characters: the gateway has checked
// the host, the path and the query, and this function checks the rest. inQuery escapes a value that stands in a query.
func placeholderValue(r *http.Request, name string, inQuery bool) string {
	x := exchange.From(r)
	value := ""
	switch name {
	case "client":
		if x.Client.IsValid() {
			value = x.Client.String()
		}
	case "host":
		value = hostOnly(r.Host)
	case "path":
		value = onePathSlash(r.URL.EscapedPath())
	case "query":
		value = r.URL.RawQuery
	case "request_id":
		value = x.RequestID
	case "scheme":
		value = "http"
		if x.Secure {
			value = "https"
		}
	case "user":
		value = x.User
	}
	if inQuery {
		return url.QueryEscape(value)
	}
	return strings.Map(printable, value)
}

// printable drops control characters.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// hostOnly returns a Host without its port, in lower case. An IPv6 address keeps its brackets.
func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// onePathSlash returns a path with one slash at its start. Browsers read two slashes, and also slash and backslash, at the
// start of an address as the beginning of a host.
func onePathSlash(path string) string {
	if len(path) > 1 && path[0] == '/' && path[1] != '/' && path[1] != '\\' {
		return path
	}
	return "/" + strings.TrimLeft(strings.TrimPrefix(path, "*"), `/\`)
}
