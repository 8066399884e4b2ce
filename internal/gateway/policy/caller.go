package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"

	"github.com/tenfold-go/tenfold/internal/config"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// callerOf names whose request this is, as c says. The name has no secret in it: what a client sent is hashed. It is never
// empty; clients without an IP address (those of a Unix socket) are one caller.
//
// Nobody becomes another caller by what a service would not tell apart: a field or cookie that comes twice is none, and so are
// the credentials of a CORS preflight, which nobody checks.
func callerOf(r *http.Request, c config.Caller) string {
	rec := exchange.From(r)
	value := ""
	switch c.By {
	case config.CallerIsEveryone:
		return "all"
	case config.CallerByAuthorization:
		if rec.Subject != "" {
			return "subject:" + digest(rec.Subject)
		}
		if !preflight(r) {
			value = only(r.Header.Values("Authorization"))
		}
	case config.CallerByHeader:
		value = only(r.Header.Values(c.Name))
	case config.CallerByCookie:
		if cookies := r.CookiesNamed(c.Name); len(cookies) == 1 {
			value = cookies[0].Value
		}
	}
	if value != "" {
		return string(c.By) + ":" + digest(value)
	}
	return "ip:" + network(rec.Client).String()
}

func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// network is what one client has for itself: of IPv6 a /64 (RFC 6177 gives no site less), or changing its own address would
// make it another caller with each request.
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
