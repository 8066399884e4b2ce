package policy

import (
	"net/http"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// final reports whether a response of the service with this status is recorded under an idempotency key. If it is
// not, the key is free at once, and a retry runs again.
func final(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusConflict,
		http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 200 && status < 500
}

// unrecordedFields are header fields that belong to one response and not to its repetitions: fields of the
// connection, fields that the server sets, the mark of a repetition, and cookies, because the store must not contain
// secrets.
var unrecordedFields = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Date", "Set-Cookie", idempotency.ReplayedHeader,
}

// recordedHeader returns a copy of a header without unrecordedFields.
func recordedHeader(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range unrecordedFields {
		h.Del(name)
	}
	return h
}
