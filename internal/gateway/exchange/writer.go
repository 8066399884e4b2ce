package exchange

import "net/http"

// writer notes the status and the size of the response in the exchange.
type writer struct {
	http.ResponseWriter
	exchange *Exchange
}

// Writer returns w with a note in the exchange of what is written. An exchange has one writer.
func (x *Exchange) Writer(w http.ResponseWriter) http.ResponseWriter {
	x.writer = writer{w, x}
	return &x.writer
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if status >= 200 && w.exchange.Status == 0 || status == http.StatusSwitchingProtocols {
		w.exchange.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.exchange.Status == 0 {
		w.exchange.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.exchange.Bytes += int64(n)
	return n, err
}
