package policy

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// Observer is called once for each request, when the request has ended.
type Observer func(*http.Request, *exchange.Exchange)

// Record fills the exchange of every request with the client, the status, the size and the duration, and then calls the
// observers. It must be the first policy. It attaches an exchange to a request that has none.
func Record(observers ...Observer) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			x, r := exchange.Ensure(r)
			x.Client, x.Start = addressOf(r.RemoteAddr), start
			defer func() {
				x.Took = time.Since(start)
				for _, observe := range observers {
					observe(r, x)
				}
			}()
			next.ServeHTTP(x.Writer(w), r)
			if x.Status == 0 {
				x.Status = http.StatusOK // the server sends this status when the handler writes nothing
			}
		})
	}
}

// addressOf returns the address of "address:port", or the zero Addr for any other text. It drops the zone, which has a
// meaning on this machine only.
func addressOf(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
