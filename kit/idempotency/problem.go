package idempotency

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// ServeError responds to a request that has no response of its handler, as application/problem+json (RFC 9457). It is
// the default of Options.OnError. An error of the handler becomes a 500 without its text.
//
//	400  no key, a malformed key, or a body that could not be read
//	403  the caller is unknown
//	409  + Retry-After: a request with the key is in flight
//	413  the body is larger than Options.MaxBody
//	422  the key was used for another request
//	503  + Retry-After: the database is busy or unavailable, its connection was lost, the outcome of the commit is
//	     unknown, or Options.Timeout is over
//	500  anything else
func ServeError(w http.ResponseWriter, _ *http.Request, err error) {
	status := statusOf(err)
	if status == http.StatusConflict || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct { // fails only if the client has disconnected
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
	case errors.Is(err, ErrNoKey), errors.Is(err, ErrInvalidKey):
		return http.StatusBadRequest
	case errors.Is(err, ErrInvalidCaller):
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

// detail returns the text for the client. Faults of the service appear only in the log.
func detail(status int, err error) string {
	switch status {
	case http.StatusInternalServerError:
		return "internal error; the log of the service has the details"
	case http.StatusServiceUnavailable:
		return "the database does not respond: retry with the same Idempotency-Key"
	case http.StatusConflict:
		return err.Error() + ": retry with the same key"
	}
	return err.Error()
}
