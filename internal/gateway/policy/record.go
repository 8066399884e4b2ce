package policy

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
)

// Record is what is known of one request. It is filled on the way and written once, when the request is over.
type Record struct {
	upstream.Report            // the node that answered
	Service         string     // "" when no route matched
	Client          netip.Addr // who sent it: the peer, or whom trusted proxies vouch for; invalid without an IP address
	Subject         string     // of the token that Auth accepted: issuer and subject, or the token itself if it has none; "" without one
	Secure          bool       // it came to us, or to a trusted proxy, over TLS
	Reason          string     // why the gateway answered itself; "" when a service did
	Err             error
	Status          int
	Bytes           int64         // of the response's body
	Took            time.Duration // set when the request is over
}

type recordKey struct{}

// RecordOf returns the request's record, or nil outside of Recorded.
func RecordOf(r *http.Request) *Record {
	rec, _ := r.Context().Value(recordKey{}).(*Record)
	return rec
}

// StatusClientGone is what the log says of a request whose client went away before an answer, as nginx does.
const StatusClientGone = 499

// Recorded gives every request a Record, and hands it to each of ends when it is over. It must come first.
func Recorded(ends ...func(*http.Request, *Record)) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun := time.Now()
			x := &recorded{}
			rec := &x.record
			rec.Client = addressOf(r.RemoteAddr)
			x.ctx, x.writer = recordContext{r.Context(), rec}, recordingWriter{w, rec}
			r = r.WithContext(&x.ctx)
			defer func() {
				rec.Took = time.Since(begun)
				for _, end := range ends {
					end(r, rec)
				}
			}()
			next.ServeHTTP(&x.writer, r)
			if rec.Status == 0 {
				rec.Status = http.StatusOK // what net/http sends for a handler that says nothing
			}
		})
	}
}

// recorded is a record with all that makes it known, so that a request pays for one allocation.
type recorded struct {
	record Record
	ctx    recordContext
	writer recordingWriter
}

// recordContext leads RecordOf to the record, and the upstream to its part of it.
type recordContext struct {
	context.Context
	rec *Record
}

func (c *recordContext) Value(key any) any {
	switch key.(type) {
	case recordKey:
		return c.rec
	case upstream.ReportKey:
		return &c.rec.Report
	}
	return c.Context.Value(key)
}

// recordingWriter notes what is written. Unwrap lets http.ResponseController reach what lies below.
type recordingWriter struct {
	http.ResponseWriter
	rec *Record
}

func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recordingWriter) WriteHeader(status int) {
	if status >= 200 && w.rec.Status == 0 || status == http.StatusSwitchingProtocols {
		w.rec.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(p []byte) (int, error) {
	if w.rec.Status == 0 {
		w.rec.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.rec.Bytes += int64(n)
	return n, err
}

// AccessLog writes one record per request. It logs no query, no header and no body: secrets travel in them.
func AccessLog(log *slog.Logger) func(*http.Request, *Record) {
	return func(r *http.Request, rec *Record) {
		attrs := make([]slog.Attr, 0, 16)
		client := "unknown"
		if rec.Client.IsValid() {
			client = rec.Client.String()
		}
		attrs = append(attrs,
			slog.String("method", clip(r.Method)), slog.String("host", clip(r.Host)), slog.String("path", clip(r.URL.Path)),
			slog.Int("status", rec.Status), slog.Int64("bytes", rec.Bytes),
			slog.Float64("took_ms", float64(rec.Took.Microseconds())/1000),
			slog.String("client", client), slog.String("proto", r.Proto),
		)
		if rec.Service != "" {
			attrs = append(attrs, slog.String("service", rec.Service))
		}
		if rec.Node != "" {
			attrs = append(attrs, slog.String("node", rec.Node), slog.Int("tries", rec.Tries))
		}
		if rec.Waited > 0 {
			attrs = append(attrs, slog.Float64("queued_ms", float64(rec.Waited.Microseconds())/1000))
		}
		if rec.Reason != "" {
			attrs = append(attrs, slog.String("reason", rec.Reason))
		}
		if rec.Err != nil {
			attrs = append(attrs, slog.String("err", rec.Err.Error()))
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
