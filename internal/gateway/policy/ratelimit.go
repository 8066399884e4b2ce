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

// RateLimit answers 429 to what comes faster than cfg allows its caller; l counts. The request's body is not read then. A
// refusal says what the limit is and when to come again, also in the fields of draft-ietf-httpapi-ratelimit-headers-11;
// what is admitted gets none, because a gateway of several does not know how much is left.
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
			problem.Write(w, r, &problem.Problem{Status: http.StatusTooManyRequests, Reason: "rate_limited", Detail: detail, RetryAfter: wait})
		})
	}
}
