package policy

import (
	"log/slog"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// AccessLog returns an observer that logs one record per request. The record has no query, no header and no body,
// because they may contain secrets.
func AccessLog(log *slog.Logger) Observer {
	return func(r *http.Request, x *exchange.Exchange) {
		attrs := make([]slog.Attr, 0, 16)
		client := "unknown"
		if x.Client.IsValid() {
			client = x.Client.String()
		}
		attrs = append(attrs,
			slog.String("method", exchange.Clip(r.Method)), slog.String("host", exchange.Clip(r.Host)),
			slog.String("path", exchange.Clip(r.URL.Path)),
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
