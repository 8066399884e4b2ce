package console

import (
	"log/slog"
	"net/http"
)

// logActions logs each request that may change something, with its caller.
func logActions(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			log.Info("admin action", "method", r.Method, "path", r.URL.Path, "caller", r.RemoteAddr, "agent", agent(r))
		}
		next.ServeHTTP(w, r)
	})
}

// maxAgent limits what a record has of a User-Agent, in bytes.
const maxAgent = 100

func agent(r *http.Request) string {
	name := r.UserAgent()
	return name[:min(len(name), maxAgent)]
}
