package std

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
)

// errorLog makes records of net/http's messages. They are debug records, because any client can cause them. A panic
// is an own error, and so is a connection that cannot be accepted, for example because the process has too many open
// files.
type errorLog struct{ *slog.Logger }

func (l errorLog) Write(p []byte) (int, error) {
	message := strings.TrimPrefix(string(bytes.TrimSuffix(p, []byte("\n"))), "http: Accept error: ")
	switch {
	case bytes.HasPrefix(p, []byte("http: Accept error")):
		l.Error("listener does not accept connections", "err", message)
	case bytes.HasPrefix(p, []byte("http: panic")), bytes.HasPrefix(p, []byte("http2: panic")):
		l.Error("server", "message", message)
	default:
		l.Log(context.Background(), slog.LevelDebug, "server", "message", message)
	}
	return len(p), nil
}
