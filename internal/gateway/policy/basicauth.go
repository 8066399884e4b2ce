package policy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// BasicAuth passes only requests with the name and the password of a user (RFC 7617). The service gets the Authorization
// field only if cfg says so. A CORS preflight needs a password, too: the policy CORS answers it before.
func BasicAuth(cfg config.BasicAuth, passwords *Passwords) Policy {
	challenge := `Basic realm="` + cfg.Realm + `", charset="UTF-8"`
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r)
			name, password, ok := basicCredentials(r)
			err := errNoPassword
			if ok {
				err = passwords.Check(r.Context(), x.Client, name, password)
			}
			if err != nil {
				problem.Write(w, r, basicProblem(err, challenge))
				return
			}
			x.User, x.Subject = name, "basic\x00"+name
			if cfg.Authorization != config.KeepAuthorization {
				delete(r.Header, "Authorization")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// maxCredentials limits the length of the field.
const maxCredentials = 2 << 10

// basicCredentials returns the name and the password of the only Authorization field. Control characters are not allowed (RFC
// 7617 section 2): bcrypt would read a password with a NUL as another one.
func basicCredentials(r *http.Request) (name, password string, ok bool) {
	fields := r.Header["Authorization"]
	if len(fields) != 1 || len(fields[0]) > maxCredentials {
		return "", "", false
	}
	name, password, ok = r.BasicAuth()
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	return name, password, ok && !strings.ContainsFunc(name+password, control)
}

var errNoPassword = errors.New("no credentials")

// basicProblem is the answer to a request that is not passed.
func basicProblem(err error, challenge string) *problem.Problem {
	var wait *tooManyGuesses
	switch {
	case errors.As(err, &wait):
		return &problem.Problem{Status: http.StatusTooManyRequests, Reason: "password_guesses", RetryAfter: wait.wait, Err: err,
			Detail: "too many wrong passwords came from this address"}
	case errors.Is(err, errChecksBusy):
		return &problem.Problem{Status: http.StatusServiceUnavailable, Reason: "password_checks_busy", RetryAfter: time.Second, Err: err,
			Detail: "too many passwords are being checked at the moment"}
	case errors.Is(err, errNoPassword):
		return &problem.Problem{Status: http.StatusUnauthorized, Reason: "password_missing", Challenge: challenge,
			Detail: "a name and a password are required"}
	case errors.Is(err, errWrongPassword):
		return &problem.Problem{Status: http.StatusUnauthorized, Reason: "password_wrong", Challenge: challenge,
			Detail: "the name or the password is wrong"}
	}
	return problem.ClientGone.With(err)
}
