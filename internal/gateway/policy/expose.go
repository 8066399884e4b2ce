package policy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// ExposeNode tells the client which node answered, in X-Tenfold-Node, and how long it took, in Server-Timing: browsers show
// that field. It keeps the service's own Server-Timing.
func ExposeNode() Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r)
			next.ServeHTTP(&headerWriter{ResponseWriter: w, edit: func(_ int, h http.Header) { exposeNode(h, x) }}, r)
		})
	}
}

func exposeNode(h http.Header, x *exchange.Exchange) {
	delete(h, "X-Tenfold-Node")
	timing := ""
	if x.Node != "" {
		h.Set("X-Tenfold-Node", x.Node)
		timing = `node;desc="` + x.Node + `", `
	}
	if x.Tries > 1 {
		timing += `tries;desc="` + strconv.Itoa(x.Tries) + `", `
	}
	h.Add("Server-Timing", timing+"queue;dur="+milliseconds(x.Waited)+", total;dur="+milliseconds(time.Since(x.Start)))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}
