package console

import (
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
)

var (
	errToken = errors.New("this address wants a token: Authorization: Bearer TOKEN")
	errHost  = errors.New("this address answers to localhost and to IP addresses only")
)

// authorize passes on requests that carry the token of the configuration. Without a token the address is a loopback
// address, and every local program may use it. A web page that reaches it under a host name (DNS rebinding) may not.
func authorize(admin config.Admin, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case admin.Token != "" && !hasToken(r, admin.Token):
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, http.StatusUnauthorized, errToken)
		case admin.Token == "" && !isLocalHost(r.Host):
			writeError(w, http.StatusForbidden, errHost)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func hasToken(r *http.Request, want string) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
}

// isLocalHost reports whether a Host field is localhost or an IP address.
func isLocalHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}
