package policy

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Strict refuses requests that a service could read in another way than the gateway. The engine has refused what is
// ambiguous on the wire before; Strict answers those requests, too.
func Strict(limits config.Limits) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refusal := exchange.From(r).Refusal(); refusal != nil {
				if r.ProtoMajor == 1 {
					w.Header().Set("Connection", "close") // over HTTP/2, only the stream ends
				}
				problem.Write(w, r, refusal)
				return
			}
			if r.URL.Path == "" && r.URL.Host != "" {
				r.URL.Path = "/" // "GET http://shop.example HTTP/1.1"
			}
			if r.Host == "" && r.ProtoMajor == 1 && r.ProtoMinor == 0 {
				r.Host = localHost(r) // RFC 9112 section 3.2 requires Host from HTTP/1.1 on; old health checks send none
			}
			if p := unacceptable(r, limits); p != nil {
				problem.Write(w, r, p)
				return
			}
			r.URL.RawPath, r.URL.RawQuery = wire.EscapePath(r.URL.RawPath), wire.EscapeQuery(r.URL.RawQuery)
			if !limits.Underscores {
				dropUnderscores(r.Header)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// unacceptable returns the problem of a request that Strict refuses, or nil.
func unacceptable(r *http.Request, limits config.Limits) *problem.Problem {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return problem.MethodNotServed
	case r.Method != strings.ToUpper(r.Method) && slices.Contains(problem.Methods, strings.ToUpper(r.Method)):
		return problem.MethodLowerCase // some servers accept "post", and a policy for POST would not apply
	case len(r.RequestURI) > limits.URIBytes:
		return problem.URITooLong
	case headerLines(r.Header) > limits.HeaderLines:
		return problem.HeaderTooLarge
	case r.Host == "" || r.ProtoMajor == 2 && !oneHost(r):
		return problem.Host
	case r.ProtoMajor == 2 && (r.URL.Host != "" || !client.ValidLine(r)):
		return problem.Malformed
	case r.URL.Path != "*" && !strings.HasPrefix(r.URL.Path, "/"):
		return problem.PathNoSlash
	case ambiguousPath(r.URL.Path):
		return problem.PathDots
	}
	return nil
}

// oneHost reports whether the two places for a host in HTTP/2 agree. For HTTP/1, the engine checks this.
func oneHost(r *http.Request) bool {
	for _, host := range r.Header["Host"] {
		if !wire.SameHost(host, r.Host, r.TLS != nil) {
			return false
		}
	}
	return true
}

// localHost returns the address at which the client has reached the gateway.
func localHost(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && wire.ValidHost(a.String()) {
		return a.String()
	}
	return "localhost"
}

func headerLines(h http.Header) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}

// ambiguousPath reports whether servers disagree about the resource that a decoded path names. They disagree about
// NUL and about dot segments, also behind a backslash or before a path parameter: some Java servers resolve "/..;x/".
func ambiguousPath(path string) bool {
	if !strings.Contains(path, "/.") && !strings.ContainsAny(path, "\\\x00") {
		return false
	}
	if strings.IndexByte(path, 0) >= 0 {
		return true
	}
	segment := func(r rune) bool { return r == '/' || r == '\\' }
	for s := range strings.FieldsFuncSeq(path, segment) {
		s, _, _ = strings.Cut(s, ";")
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

// dropUnderscores removes fields with an underscore in their names. A CGI-like server cannot tell X_Forwarded_For from
// X-Forwarded-For: both become the same variable.
func dropUnderscores(h http.Header) {
	for name := range h {
		if strings.IndexByte(name, '_') >= 0 {
			delete(h, name)
		}
	}
}
