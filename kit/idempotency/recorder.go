package idempotency

import (
	"bytes"
	"fmt"
	"net/http"
)

// responseRecorder is an http.ResponseWriter that keeps a response until it is committed. Its header begins empty:
// fields that other middleware has set on the real header are not the handler's, and are not recorded.
type responseRecorder struct {
	header  http.Header
	status  int
	sent    http.Header // the header when the handler wrote the status
	body    bytes.Buffer
	maxBody int // bytes
	err     error
}

func (rec *responseRecorder) Header() http.Header { return rec.header }

// WriteHeader keeps the first final status, like net/http. It drops informational statuses: before the commit, no
// response is sent.
func (rec *responseRecorder) WriteHeader(status int) {
	if rec.status != 0 || status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		return
	}
	rec.status = status
	rec.sent = rec.header.Clone()
}

// Write fails when the body becomes larger than what can be recorded, so that a handler in a loop can stop. The
// response is lost even if the handler ignores the error.
func (rec *responseRecorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if !bodyAllowed(rec.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if rec.err == nil && rec.body.Len()+len(b) > rec.maxBody {
		rec.err = fmt.Errorf("%w: the body is larger than %d bytes", ErrUnrecordable, rec.maxBody)
	}
	if rec.err != nil {
		return 0, rec.err
	}
	return rec.body.Write(b)
}

// response returns the recorded response, or the error of the first Write that failed.
func (rec *responseRecorder) response() (Response, error) {
	rec.WriteHeader(http.StatusOK)
	return Response{Status: rec.status, Header: rec.sent, Body: rec.body.Bytes()}, rec.err
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
