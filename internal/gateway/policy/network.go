package policy

import (
	"net/http"
	"net/netip"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// Networks answers 403 to clients of the networks of deny, and to clients outside of the networks of allow, if it has any. A
// client without an IP address gets 403, too.
func Networks(allow, deny []netip.Prefix) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			client := exchange.From(r).Client
			if !client.IsValid() || contains(deny, client) || len(allow) > 0 && !contains(allow, client) {
				problem.Write(w, r, problem.AddressDenied)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
