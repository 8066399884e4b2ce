// Package caller tells callers apart: rate limits and idempotency keys belong to a caller.
package caller

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// Of returns the name of the caller of a request, as c defines callers. The name is never empty and contains no secret: values
// from the client are hashed. All clients without an IP address (those of a Unix socket) are one caller.
//
// A repeated header or cookie is ignored, and so are the credentials of a CORS preflight, which no service checks: clients
// must not be able to pose as many callers.
func Of(r *http.Request, c config.Caller) string {
	x := exchange.From(r)
	value := ""
	switch c.By {
	case config.CallerIsEveryone:
		return "all"
	case config.CallerByAuthorization:
		if x.Subject != "" {
			return "subject:" + Digest(x.Subject)
		}
		if !IsPreflight(r) {
			value = single(r.Header.Values("Authorization"))
		}
	case config.CallerByHeader:
		value = single(r.Header.Values(c.Name))
	case config.CallerByCookie:
		if cookies := r.CookiesNamed(c.Name); len(cookies) == 1 {
			value = cookies[0].Value
		}
	}
	if value != "" {
		return string(c.By) + ":" + Digest(value)
	}
	return "ip:" + network(x.Client).String()
}

// IsPreflight reports whether a request is a CORS-preflight request, as the Fetch standard defines it.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// Digest returns a short hash of a secret, for names and logs.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// single returns the value of a field that occurs exactly once, and else "".
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// network returns the part of an address that belongs to one client. For IPv6 it is a /64, since no site gets less (RFC 6177):
// otherwise a client could become a new caller with each request.
func network(a netip.Addr) netip.Addr {
	if !a.Is6() || a.Is4In6() {
		return a.Unmap()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
