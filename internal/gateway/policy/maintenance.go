package policy

import (
	"net/http"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// Maintenance answers 503 to all clients but those of the networks of cfg.Allow. page is for clients that do not prefer
// JSON; nil for a plain page.
func Maintenance(cfg config.Maintenance, page *exchange.Page) Policy {
	p := &problem.Problem{
		Status: http.StatusServiceUnavailable, Reason: "maintenance", Detail: cfg.Text, RetryAfter: cfg.RetryAfter, Page: page,
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if contains(cfg.Allow, exchange.From(r).Client) {
				next.ServeHTTP(w, r)
				return
			}
			problem.Write(w, r, p)
		})
	}
}
