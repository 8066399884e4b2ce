package policy

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// HTTPSOptions configure HTTPS. The zero value redirects on listeners that ask for it, and does nothing else.
type HTTPSOptions struct {
	HSTS time.Duration // max-age of Strict-Transport-Security on responses over TLS; 0 for no such field
	// Challenge answers a request by which an authority validates a name. It returns false for any other request. Default:
	// none.
	Challenge func(http.ResponseWriter, *http.Request) bool
}

// challengePath is where an authority asks for the answer to a challenge over HTTP (RFC 8555 section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// HTTPS answers challenges of authorities, redirects requests without TLS on listeners that ask for it, and tells clients of
// TLS to stay with it (HSTS, RFC 6797). A field Strict-Transport-Security of a service replaces that of the gateway. It
// stands behind Forwarded: a request that came over TLS to a trusted proxy is not redirected.
func HTTPS(o HTTPSOptions) Policy {
	var hsts []string
	if o.HSTS > 0 {
		hsts = []string{"max-age=" + strconv.Itoa(int(o.HSTS.Seconds()))}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch x := exchange.From(r); {
			case r.TLS != nil:
				if hsts != nil {
					w.Header()["Strict-Transport-Security"] = hsts
				}
			case o.Challenge != nil && strings.HasPrefix(r.URL.Path, challengePath) && o.Challenge(w, r):
				return
			case x.Redirect && !x.Secure:
				redirect(w, r, x)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// redirect sends the client to the same URL with https. Status 308 keeps the method and the body of every request (RFC 9110
// section 15.4.9); after a 301, clients may turn a POST into a GET.
func redirect(w http.ResponseWriter, r *http.Request, x *exchange.Exchange) {
	host, ok := secureHost(r.Host)
	if !ok {
		problem.Write(w, r, problem.Host)
		return
	}
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") { // OPTIONS *
		path = "/"
	}
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	x.Reason = "https_redirect"
	x.AbandonBody()
	h := w.Header()
	h["Location"] = []string{"https://" + host + path}
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusPermanentRedirect)
}

// secureHost returns the host of a Host field without its port. It accepts a name of letters, digits, "-", "_" and ".", or an
// IP address.
func secureHost(field string) (host string, ok bool) {
	host = field
	if i := strings.LastIndexByte(field, ':'); i > strings.LastIndexByte(field, ']') {
		host = field[:i]
	}
	if literal, isLiteral := strings.CutPrefix(host, "["); isLiteral {
		literal, closed := strings.CutSuffix(literal, "]")
		ip, err := netip.ParseAddr(literal)
		return host, closed && err == nil && ip.Is6() && ip.Zone() == ""
	}
	foreign := func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return host, host != "" && host[0] != '.' && host[0] != '-' && !strings.ContainsFunc(host, foreign)
}
