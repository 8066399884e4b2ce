package policy

import (
	"io"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Body bounds how large a request's body may be and how slowly it may come. After BodyGrace it must have averaged
// BodyRate bytes per second, so that a thousand drips cannot hold a thousand places.
func Body(limits config.Limits) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
				next.ServeHTTP(w, r)
				return
			}
			if limits.BodyBytes > 0 {
				if r.ContentLength > limits.BodyBytes {
					w.Header().Set("Connection", "close") // rather than read all of it
					Problem{Status: http.StatusRequestEntityTooLarge, Reason: "body_too_large", Detail: "the request body is too large"}.Write(w, r)
					return
				}
				r.Body = http.MaxBytesReader(w, r.Body, limits.BodyBytes)
			}
			if limits.BodyRate > 0 {
				r.Body = &pacedBody{ReadCloser: r.Body, conn: http.NewResponseController(w), grace: limits.BodyGrace, rate: limits.BodyRate}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// pacedBody gives each read until the moment at which the body would be too slow.
type pacedBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	grace time.Duration
	rate  int
	begun time.Time
	read  int64
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if b.begun.IsZero() {
		b.begun = time.Now()
	}
	due := b.begun.Add(b.grace + time.Duration(b.read)*time.Second/time.Duration(b.rate))
	b.conn.SetReadDeadline(due) // a connection without deadlines has no slow bodies: it is a test's
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if err == io.EOF {
		// Else it would fire in net/http's watch for the client's going away, and cancel the request.
		b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
