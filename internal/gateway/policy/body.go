package policy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/internal/http1/guard"
)

// Body bounds how large a request's body may be and how slowly it may come. After BodyGrace it must have averaged
// BodyRate bytes per second, so that a thousand drips cannot hold a thousand places; a gRPC stream may be silent for
// hours. It stands in front of all policies that refuse requests, because net/http reads the rest of a refused body.
func Body(limits config.Limits) Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 && !mayLie(r) {
				next.ServeHTTP(w, r)
				return
			}
			b := &body{ReadCloser: r.Body, r: r, w: w, conn: http.NewResponseController(w), http1: r.ProtoMajor == 1}
			if limits.BodyBytes > 0 {
				b.ReadCloser = http.MaxBytesReader(w, r.Body, limits.BodyBytes)
			}
			if limits.BodyRate > 0 && !exchange.IsGRPC(r) {
				b.grace, b.rate = limits.BodyGrace, limits.BodyRate
				b.conn.SetReadDeadline(time.Now().Add(b.grace)) // for net/http, should nobody else read
			}
			r.Body = b
			x, r := exchange.Ensure(r)
			x.Inbound = b
			defer b.release()
			if limits.BodyBytes > 0 && r.ContentLength > limits.BodyBytes {
				b.closeAfter() // rather than read all of it
				problem.Write(w, r, problem.BodyTooLarge)
				return
			}
			if r.ContentLength == 0 {
				if err := b.wantEmpty(); err != nil {
					problem.Write(w, r, &client.BodyError{Err: err})
					return
				}
				r.Body = http.NoBody
			}
			next.ServeHTTP(w, r)
		})
	}
}

// mayLie reports whether a body may follow that was announced to be empty. HTTP/2 has another end of a body than its length,
// and net/http tells a body that is longer only to who reads it.
func mayLie(r *http.Request) bool { return r.ProtoMajor == 2 && r.Header["Content-Length"] != nil }

var errNotEmpty = errors.New("body is longer than its content-length of 0")

// wantEmpty waits for the end of a body that was announced to be empty.
func (b *body) wantEmpty() error {
	n, err := b.Read(make([]byte, 1))
	switch {
	case n > 0:
		return errNotEmpty
	case err == io.EOF:
		return nil
	}
	return err
}

// body is a request's body, paced. It is read by another goroutine than the handler's while it is passed on.
//
// Over HTTP/1, net/http reads what is left of a body before it writes an answer's header, and again when the handler has
// returned. Both would compete with whoever passes the body on: bytes would be missing in what the service gets, or the
// answer would wait for a client that waits for it. So an answer that overtakes its body is sent at once and is the last
// on its connection, and a read that is under way when the handler returns is interrupted.
type body struct {
	io.ReadCloser
	r     *http.Request
	w     http.ResponseWriter
	conn  *http.ResponseController
	http1 bool
	grace time.Duration
	rate  int       // bytes per second; 0 for no pace
	until time.Time // when it must be there, however fast it comes; zero for never

	reading sync.Mutex // held by the read that is under way
	begun   time.Time  // when the first read was
	n       int64      // bytes read
	err     error      // of the last read

	mu        sync.Mutex // of what follows, and of setting the deadline
	started   bool       // somebody has read
	whole     bool       // it was read to its end
	overtaken bool       // the answer goes before it
	over      bool       // the handler has returned: nobody may read
}

var (
	past        = time.Unix(1, 0)
	errAnswered = errors.New("request was answered before its body was read")
)

func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if !b.begin() {
		return 0, errAnswered
	}
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	b.err = err
	if err == io.EOF {
		b.end()
	}
	return n, err
}

// Refusal returns why the guard refused the request or its body.
func (b *body) Refusal() *exchange.Refusal { return refusalOf(b.r) }

func refusalOf(r *http.Request) *exchange.Refusal {
	if status, why, refused := guard.Refusal(r); refused {
		return &exchange.Refusal{Status: status, Reason: why}
	}
	return nil
}

// BodyFault returns the error with which reading the body ended, if that error has cancelled the request. Over HTTP/1,
// net/http cancels the request before it returns that error to the reader.
func (b *body) BodyFault() error {
	if !b.http1 || b.r.Context().Err() == nil {
		return nil
	}
	b.reading.Lock() // a read that is under way is about to return
	defer b.reading.Unlock()
	if b.err == io.EOF {
		return nil
	}
	return b.err
}

// begin gives a read until the moment at which the body would be too slow.
func (b *body) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return false
	}
	b.started = true
	if b.begun.IsZero() {
		b.begun = time.Now()
	}
	deadline := b.until
	if b.rate > 0 {
		paced := b.begun.Add(b.grace + time.Duration(b.n)*time.Second/time.Duration(b.rate))
		if deadline.IsZero() || paced.Before(deadline) {
			deadline = paced
		}
	}
	if !deadline.IsZero() { // a connection without deadlines has no slow bodies: it is a test's
		b.conn.SetReadDeadline(deadline)
	}
	return true
}

// ReadBodyBy makes reads of the body fail after t, whatever its pace.
func (b *body) ReadBodyBy(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = t
}

// SetReadDeadline does nothing yet.
func (b *body) SetReadDeadline(time.Time) {}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = true
	if (b.rate > 0 || !b.until.IsZero()) && !b.over {
		// Else it would fire in net/http's watch for the client's going away, and cancel the request.
		b.conn.SetReadDeadline(time.Time{})
	}
}

// release ends the read that is under way, and lets net/http read no more. It leaves alone a body that nobody has begun to
// read, for which see AbandonBody; and HTTP/2, which closes its stream, and thereby the body.
func (b *body) release() {
	b.mu.Lock()
	b.over = true
	broken := b.http1 && !b.whole && (b.started || b.overtaken)
	if broken {
		b.conn.SetReadDeadline(past)
	}
	b.mu.Unlock()
	if !broken {
		return
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	linger(b.w)
}

// linger makes net/http close the connection in the way that it keeps for bodies that are too large: half at first, so
// that the client has time to read the answer. To close with unread data in the socket would take the answer back.
func linger(w http.ResponseWriter) {
	type unwrapper interface{ Unwrap() http.ResponseWriter }
	for u, ok := w.(unwrapper); ok; u, ok = w.(unwrapper) {
		w = u.Unwrap()
	}
	http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
}

// RespondEarly makes the answer that follows the last one on its connection, and independent of the rest of the body.
func (b *body) RespondEarly() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.http1 && !b.whole {
		b.overtaken = true
		b.conn.EnableFullDuplex()
		b.closeAfter()
	}
}

func (b *body) closeAfter() {
	if b.http1 {
		b.w.Header().Set("Connection", "close")
	}
}

// AbandonBody is RespondEarly for a body that is not passed on any more. A body that nothing has begun to read is left to
// net/http, which keeps the connection when it is small.
func (b *body) AbandonBody() {
	b.mu.Lock()
	started := b.started
	b.mu.Unlock()
	if started {
		b.RespondEarly()
	}
}
