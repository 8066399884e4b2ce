package policy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// Auth lets only requests with a bearer token that v accepts pass (RFC 6750), and notes whom it speaks for: without a subject,
// for itself. The service
// gets the token as it came. A CORS preflight passes: a browser sends it without credentials, and asks there whether it may
// send the request that has them.
func Auth(v *jwt.Verifier) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if caller.IsPreflight(r) {
				next.ServeHTTP(w, r)
				return
			}
			token := bearer(r.Header)
			subject, err := v.Verify(r.Context(), token)
			if err != nil {
				refuse(w, r, err)
				return
			}
			if subject == "" {
				subject = itself(token)
			}
			exchange.From(r).Subject = subject
			next.ServeHTTP(w, r)
		})
	}
}

// itself names a good token that has no subject by what is signed of it, because fields and signatures can be written in
// more than one way. No issuer begins with a NUL.
func itself(token string) string {
	return "\x00" + caller.Digest(token[:strings.LastIndexByte(token, '.')])
}

// bearer is the token of a request, "" for none: only of its header, never of its query, which ends up in logs. Two fields
// are read as RFC 9110, section 5.3, joins them, and are no token.
func bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(strings.Join(h["Authorization"], ", "), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// retryKeys is when keys that could not be had may be there.
const retryKeys = 5 * time.Second

// unauthorized is what a stranger may know about each reason.
var unauthorized = map[jwt.Reason]string{
	jwt.Missing:   "this needs a bearer token",
	jwt.Malformed: "the token is malformed",
	jwt.Signature: "the token's signature cannot be verified",
	jwt.Expired:   "the token has expired",
	jwt.NotYet:    "the token is not valid yet",
	jwt.Foreign:   "the token is not meant for this service",
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := jwt.NoKeys
	if refusal := (*jwt.Refusal)(nil); errors.As(err, &refusal) {
		reason = refusal.Reason
	}
	if reason == jwt.NoKeys {
		problem.Write(w, r, &problem.Problem{Status: http.StatusServiceUnavailable, Reason: "token_no_keys", RetryAfter: retryKeys, Err: err,
			Detail: "tokens cannot be checked at the moment"})
		return
	}
	challenge := `Bearer realm="api"`
	if reason != jwt.Missing { // RFC 6750, section 3.1: nobody who sent no token is told of errors
		challenge += `, error="invalid_token", error_description="` + unauthorized[reason] + `"`
	}
	problem.Write(w, r, &problem.Problem{Status: http.StatusUnauthorized, Reason: "token_" + string(reason), Detail: unauthorized[reason],
		Challenge: challenge, Err: err})
}
