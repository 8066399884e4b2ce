package policy

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// Body limits the size of a request's body and how slowly it may arrive. After BodyGrace, the body must have arrived
// with BodyRate bytes per second on average: without this limit, slow clients could occupy all places of a service. A
// gRPC stream has no such limit, because it may be silent for hours. Body comes before all policies that refuse
// requests, because a server reads the rest of a refused request's body.
func Body(limits config.Limits) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !exchange.HasBody(r) {
				next.ServeHTTP(w, r)
				return
			}
			if limits.BodyBytes > 0 && r.ContentLength > limits.BodyBytes {
				if r.ProtoMajor == 1 {
					w.Header().Set("Connection", "close") // the server would read all of the body to keep the connection
				}
				problem.Write(w, r, problem.BodyTooLarge)
				return
			}
			r.Body = limitBody(w, r, limits)
			if r.ContentLength == 0 {
				if err := readEnd(r.Body); err != nil {
					problem.Write(w, r, &client.BodyError{Err: err})
					return
				}
				r.Body = http.NoBody
			}
			next.ServeHTTP(w, r)
		})
	}
}

// limitBody returns the body of r with the limits of its size and pace.
func limitBody(w http.ResponseWriter, r *http.Request, limits config.Limits) io.ReadCloser {
	body := r.Body
	if limits.BodyBytes > 0 {
		body = http.MaxBytesReader(w, body, limits.BodyBytes)
	}
	if limits.BodyRate <= 0 || exchange.IsGRPC(r) {
		return body
	}
	p := &pacedBody{ReadCloser: body, exchange: exchange.From(r), grace: limits.BodyGrace, rate: limits.BodyRate}
	p.exchange.SetReadDeadline(time.Now().Add(p.grace)) // in case that only the server reads the body
	return p
}

// pacedBody sets the deadline of each read, so that the body arrives at the required pace.
type pacedBody struct {
	io.ReadCloser
	exchange *exchange.Exchange
	grace    time.Duration
	rate     int       // bytes per second
	start    time.Time // of the first read
	n        int64     // bytes read
}

func (p *pacedBody) Read(b []byte) (int, error) {
	if p.start.IsZero() {
		p.start = time.Now()
	}
	p.exchange.SetReadDeadline(p.start.Add(p.grace + time.Duration(p.n)*time.Second/time.Duration(p.rate)))
	n, err := p.ReadCloser.Read(b)
	p.n += int64(n)
	return n, err
}

var errNotEmpty = errors.New("body is longer than its content-length of 0")

// readEnd waits for the end of a body that was announced to be empty.
func readEnd(body io.Reader) error {
	n, err := body.Read(make([]byte, 1))
	switch {
	case n > 0:
		return errNotEmpty
	case err == io.EOF:
		return nil
	}
	return err
}
