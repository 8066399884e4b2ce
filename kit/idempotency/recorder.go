package idempotency

import (
	"bytes"
	"fmt"
	"net/http"
)

// recorder is the http.ResponseWriter that keeps an answer until it is committed. Its header begins empty: what other
// middleware has set on the real one is not the handler's, and not recorded.
type recorder struct {
	header http.Header
	status int
	sent   http.Header // the header as it was when the handler wrote its status
	body   bytes.Buffer
	room   int // bytes that the body may have
	err    error
}

func (rec *recorder) Header() http.Header { return rec.header }

// WriteHeader keeps the first final status, as net/http does. Informational ones are not sent: before the commit there is
// nothing to say.
func (rec *recorder) WriteHeader(status int) {
	if rec.status != 0 || status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		return
	}
	rec.status = status
	rec.sent = rec.header.Clone()
}

// Write fails where the answer grows beyond what can be recorded, so that a handler in a loop can stop; the answer is lost
// even if it does not look.
func (rec *recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if !bodyAllowed(rec.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if rec.err == nil && rec.body.Len()+len(b) > rec.room {
		rec.err = fmt.Errorf("%w: its body has more than %d bytes", ErrResponse, rec.room)
	}
	if rec.err != nil {
		return 0, rec.err
	}
	return rec.body.Write(b)
}

func (rec *recorder) response() (Response, error) {
	rec.WriteHeader(http.StatusOK)
	return Response{Status: rec.status, Header: rec.sent, Body: rec.body.Bytes()}, rec.err
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
