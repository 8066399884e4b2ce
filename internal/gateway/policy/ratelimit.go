package policy

import (
	"fmt"
	"math"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
)

// RateLimit answers 429 to requests above the rate of their caller; l counts them. It does not read the body of a
// refused request. A refusal states the limit and the time to wait, also in the fields of
// draft-ietf-httpapi-ratelimit-headers-11. Admitted requests get no such fields, because one of several gateways does
// not know how many requests are left.
func RateLimit(l *ratelimit.Limiter, cfg config.RateLimit) Policy {
	limit := fmt.Sprintf(`"default";q=%d;w=%d;tenfold-burst=%d`, cfg.Rate.Requests, int(cfg.Rate.Per.Seconds()), cfg.Burst)
	detail := fmt.Sprintf("more than %v requests", cfg.Rate)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ok, wait := l.Admit(caller.Of(r, cfg.Caller))
			if ok {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("RateLimit-Policy", limit)
			w.Header().Set("RateLimit", fmt.Sprintf(`"default";r=0;t=%.0f`, math.Ceil(wait.Seconds())))
			problem.Write(w, r, &problem.Problem{
				Status: http.StatusTooManyRequests, Reason: "rate_limited", Detail: detail, RetryAfter: wait,
			})
		})
	}
}
