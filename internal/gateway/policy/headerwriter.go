package policy

import "net/http"

// headerWriter calls edit once, with the status and the header of the response, before the header is sent. Responses of
// status 1xx pass unchanged.
type headerWriter struct {
	http.ResponseWriter
	edit func(status int, h http.Header)
	sent bool
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *headerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *headerWriter) WriteHeader(status int) {
	if status >= 200 && !w.sent {
		w.sent = true
		w.edit(status, w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *headerWriter) Write(p []byte) (int, error) {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// FlushError sends what was written.
func (w *headerWriter) FlushError() error {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}
