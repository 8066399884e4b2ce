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
	errUser  = errors.New("this request wants a token, because it comes from another user: Authorization: Bearer TOKEN")
)

// access says who may do what at the admin address.
type access struct {
	admin    config.Admin
	runToken string // of this process; "" permits everything to every local program
}

// authorize passes on requests that carry the token of the configuration. Without such a token the address is a loopback
// address, and every local program may read, except the output of the nodes and the file. What else it asks for must come
// from the owner. A web page that reaches the address under a host name (DNS rebinding) may do nothing.
func (a access) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.admin.Token != "" && !hasToken(r, a.admin.Token):
			refuse(w, errToken)
		case a.admin.Token == "" && !isLocalHost(r.Host):
			writeError(w, http.StatusForbidden, errHost)
		case !isPublic(r) && !a.isOwner(r):
			refuse(w, errUser)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isOwner reports whether a request that carries the token of the configuration, if there is one, comes from a program of this
// user or carries the token of this process.
func (a access) isOwner(r *http.Request) bool {
	return a.admin.Token != "" || a.runToken == "" || hasToken(r, a.runToken) || isOwn(r)
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeError(w, http.StatusUnauthorized, err)
}

// isPublic reports whether a request changes nothing, and reads neither what the nodes have written nor the file.
func isPublic(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != logsPath && r.URL.Path != diffPath
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
