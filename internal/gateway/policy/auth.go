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

// Auth passes only requests with a bearer token that v accepts (RFC 6750). It records the subject of the token; a token
// without subject counts as its own subject. The service receives the token unchanged. A CORS preflight passes without
// a token, because browsers send it without credentials.
func Auth(v *jwt.Verifier) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if caller.IsPreflight(r) {
				next.ServeHTTP(w, r)
				return
			}
			token := bearerToken(r.Header)
			subject, err := v.Verify(r.Context(), token)
			if err != nil {
				refuseToken(w, r, err)
				return
			}
			if subject == "" {
				subject = tokenID(token)
			}
			exchange.From(r).Subject = subject
			next.ServeHTTP(w, r)
		})
	}
}

// tokenID identifies a valid token without a subject by a hash of its signed part. The signature is left out, because
// one token can have several valid signatures. The NUL keeps IDs apart from subjects, which begin with an issuer.
func tokenID(token string) string {
	return "\x00" + caller.Digest(token[:strings.LastIndexByte(token, '.')])
}

// bearerToken returns the token in the Authorization field, or "". It ignores the query, which ends up in logs. Several
// fields are joined as in RFC 9110, section 5.3, and so are not a valid token.
func bearerToken(h http.Header) string {
	scheme, token, _ := strings.Cut(strings.Join(h["Authorization"], ", "), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// retryNoKeys is the Retry-After of a request that came before the keys could be read.
const retryNoKeys = 5 * time.Second

// refusalTexts are the texts for clients. They say no more than the reason.
var refusalTexts = map[jwt.Reason]string{
	jwt.Missing:               "a bearer token is required",
	jwt.Malformed:             "the token is malformed",
	jwt.Signature:             "the token's signature cannot be verified",
	jwt.Expired:               "the token has expired",
	jwt.NotBefore:             "the token is not valid yet",
	jwt.WrongAudienceOrIssuer: "the token is not meant for this service",
}

// refuseToken answers 401, or 503 if the keys could not be read yet.
func refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	reason := jwt.NoKeys
	if refusal := (*jwt.Refusal)(nil); errors.As(err, &refusal) {
		reason = refusal.Reason
	}
	if reason == jwt.NoKeys {
		problem.Write(w, r, &problem.Problem{
			Status: http.StatusServiceUnavailable, Reason: "token_no_keys", RetryAfter: retryNoKeys, Err: err,
			Detail: "tokens cannot be checked at the moment",
		})
		return
	}
	challenge := `Bearer realm="api"`
	if reason != jwt.Missing { // RFC 6750, section 3.1: without a token, the answer has no error code
		challenge += `, error="invalid_token", error_description="` + refusalTexts[reason] + `"`
	}
	problem.Write(w, r, &problem.Problem{
		Status: http.StatusUnauthorized, Reason: "token_" + string(reason), Detail: refusalTexts[reason],
		Challenge: challenge, Err: err,
	})
}
