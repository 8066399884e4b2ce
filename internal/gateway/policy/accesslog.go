package policy

import (
	"log/slog"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// AccessLog returns an observer that logs one record per request. The record has no header and no body, because they may
// contain secrets. It has the query and the User-Agent field only if cfg says so.
func AccessLog(log *slog.Logger, cfg config.Log) Observer {
	return func(r *http.Request, x *exchange.Exchange) {
		attrs := make([]slog.Attr, 0, 20)
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
		if x.RequestID != "" {
			attrs = append(attrs, slog.String("request_id", x.RequestID))
		}
		if cfg.Query && r.URL.RawQuery != "" {
			attrs = append(attrs, slog.String("query", exchange.Clip(r.URL.RawQuery)))
		}
		if agent := r.Header.Get("User-Agent"); cfg.UserAgent && agent != "" {
			attrs = append(attrs, slog.String("user_agent", exchange.Clip(agent)))
		}
		if x.Service != "" {
			attrs = append(attrs, slog.String("service", x.Service))
		}
		if x.Node != "" {
			attrs = append(attrs, slog.String("node", x.Node), slog.Int("tries", x.Tries))
		}
		if x.Waited > 0 {
			attrs = append(attrs, slog.Float64("queued_ms", float64(x.Waited.Microseconds())/1000))
		}
		if x.Paused > 0 {
			attrs = append(attrs, slog.Float64("paused_ms", float64(x.Paused.Microseconds())/1000))
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
