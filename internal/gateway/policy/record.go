package policy

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// StatusClientGone is what the log says of a request whose client went away before an answer, as nginx does.
const StatusClientGone = 499

// Record fills the exchange of every request, and calls each of observers with it when the request has ended. It must be
// the first policy. It attaches an exchange to a request that has none.
func Record(observers ...func(*http.Request, *exchange.Exchange)) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			x, r := exchange.Ensure(r)
			x.Client = addressOf(r.RemoteAddr)
			defer func() {
				x.Took = time.Since(start)
				for _, observe := range observers {
					observe(r, x)
				}
			}()
			next.ServeHTTP(x.Writer(w), r)
			if x.Status == 0 {
				x.Status = http.StatusOK // the status that the server sends when the handler writes nothing
			}
		})
	}
}

// AccessLog writes one record per request. It logs no query, no header and no body: secrets travel in them.
func AccessLog(log *slog.Logger) func(*http.Request, *exchange.Exchange) {
	return func(r *http.Request, x *exchange.Exchange) {
		attrs := make([]slog.Attr, 0, 16)
		client := "unknown"
		if x.Client.IsValid() {
			client = x.Client.String()
		}
		attrs = append(attrs,
			slog.String("method", clip(r.Method)), slog.String("host", clip(r.Host)), slog.String("path", clip(r.URL.Path)),
			slog.Int("status", x.Status), slog.Int64("bytes", x.Bytes),
			slog.Float64("took_ms", float64(x.Took.Microseconds())/1000),
			slog.String("client", client), slog.String("proto", r.Proto),
		)
		if x.Service != "" {
			attrs = append(attrs, slog.String("service", x.Service))
		}
		if x.Node != "" {
			attrs = append(attrs, slog.String("node", x.Node), slog.Int("tries", x.Tries))
		}
		if x.Waited > 0 {
			attrs = append(attrs, slog.Float64("queued_ms", float64(x.Waited.Microseconds())/1000))
		}
		if x.Reason != "" {
			attrs = append(attrs, slog.String("reason", x.Reason))
		}
		if x.Err != nil {
			attrs = append(attrs, slog.String("err", x.Err.Error()))
		}
		log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
	}
}

// clip keeps a log line readable whatever is asked for.
func clip(s string) string {
	const most = 512
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
