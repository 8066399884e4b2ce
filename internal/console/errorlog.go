package console

import (
	"bytes"
	"log/slog"
	"strings"
)

// errorLog makes records of the messages of net/http's server, which would otherwise go to standard error as text.
type errorLog struct{ *slog.Logger }

func (l errorLog) Write(p []byte) (int, error) {
	message := strings.TrimPrefix(string(bytes.TrimSuffix(p, []byte("\n"))), "http: Accept error: ")
	if bytes.HasPrefix(p, []byte("http: Accept error")) {
		l.Error("admin address does not accept connections", "err", message)
	} else {
		l.Warn("admin server", "err", message)
	}
	return len(p), nil
}
