package policy

import (
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Redirect answers every request with the address of another resource. It calls no next handler. A client cannot choose the
// host of the address, except that {host} is the host which it has sent.
func Redirect(cfg config.Redirect) Policy {
	to := config.ParseTemplate(cfg.To, config.RedirectPlaceholders)
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			location, ok := redirectTo(r, to)
			if !ok {
				problem.Write(w, r, problem.Host)
				return
			}
			h := w.Header()
			h.Set("Location", location)
			h.Set("Content-Length", "0")
			h["Content-Type"] = nil
			w.WriteHeader(cfg.Status)
		})
	}
}

// redirectTo returns the address for a request. It returns false when its host is not a host, as for {host} behind fixed
// labels and an IPv6 address.
func redirectTo(r *http.Request, to config.Template) (string, bool) {
	location := to.Expand(func(name string, inQuery bool) string { return placeholderValue(r, name, inQuery) })
	if path, fragment, ok := strings.Cut(location, "#"); ok {
		location = strings.TrimRight(path, "?&") + "#" + fragment
	} else {
		location = strings.TrimRight(location, "?&") // of "?{query}" without a query
	}
	if _, rest, ok := strings.Cut(location, "://"); ok && location[0] != '/' {
		host := rest
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			host = rest[:i]
		}
		return location, wire.ValidHost(host)
	}
	return location, true
}
