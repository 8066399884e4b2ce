package idempotency

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// ServeError answers a request that did not get an answer from its handler, as application/problem+json (RFC 9457). It is
// the default of Options.OnError. A handler's own error is a 500 that tells the client nothing of it.
//
//	400  no key, a malformed key, or a body that could not be read
//	403  the caller is unknown
//	409  + Retry-After: a request under the key is in flight
//	413  the body is larger than Options.MaxBody
//	422  the key was used for another request
//	503  + Retry-After: the database is busy, gone, or did not say whether it committed; Options.Timeout was over
//	500  anything else
func ServeError(w http.ResponseWriter, _ *http.Request, err error) {
	status := statusOf(err)
	if status == http.StatusConflict || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct { // the only error is a client that left
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail(status, err)})
}

func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	var body *bodyError
	switch {
	case errors.As(err, &body):
		if errors.As(err, &tooLarge) {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusBadRequest
	case errors.Is(err, ErrNoKey), errors.Is(err, ErrKey):
		return http.StatusBadRequest
	case errors.Is(err, ErrCaller):
		return http.StatusForbidden
	case errors.Is(err, ErrInFlight):
		return http.StatusConflict
	case errors.Is(err, ErrMismatch):
		return http.StatusUnprocessableEntity
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrUncertain), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// detail is what a client may know. Faults of the service stay in the log.
func detail(status int, err error) string {
	switch status {
	case http.StatusInternalServerError:
		return "the service made a mistake, it is logged"
	case http.StatusServiceUnavailable:
		return "the database does not answer: try again with the same Idempotency-Key"
	case http.StatusConflict:
		return err.Error() + ": try again with the same key"
	}
	return err.Error()
}
