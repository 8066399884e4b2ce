package std

import (
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/guard"
)

// handler gives each request its exchange, and takes charge of its body and of a stalled HTTP/2 stream.
type handler struct {
	next         http.Handler
	writeTimeout time.Duration
	redirect     bool
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{original: r}
	q.exchange.Inbound, q.exchange.Redirect = q, h.redirect
	if r.ProtoMajor == 2 {
		q.inspectHTTP2()
	}
	if exchange.HasBody(r) {
		q.body = newBody(w, r)
		defer q.body.release()
	}
	r = q.exchange.Attach(r)
	if q.body != nil {
		r.Body = q.body
	}
	if r.ProtoMajor == 2 && h.writeTimeout > 0 {
		s := newStallWriter(w, h.writeTimeout)
		defer s.handlerDone()
		w = s
	}
	h.next.ServeHTTP(w, r)
}

// request is one request in this engine: its exchange, and the part of it that the engine plays. A request costs one
// allocation, and one more if it has a body.
type request struct {
	exchange exchange.Exchange
	original *http.Request     // as net/http made it
	body     *body             // nil for none
	refusal  *exchange.Refusal // of a request over HTTP/2
}

// inspectHTTP2 checks what the guard checks for HTTP/1, and restores the field Expect, which the HTTP/2 server removes.
func (q *request) inspectHTTP2() {
	if status, why, refused := guard.RefusalHTTP2(q.original); refused {
		q.refusal = &exchange.Refusal{Status: status, Reason: why}
	}
	if expectsContinue(q.original.Body) {
		q.original.Header["Expect"] = []string{"100-continue"}
	}
}

// expectsContinue reports whether the HTTP/2 server will send 100 (Continue) when the body is read. Only a private field
// of its body says so.
func expectsContinue(body io.ReadCloser) bool {
	v := reflect.ValueOf(body)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return false
	}
	needs := v.Elem().FieldByName("needsContinue")
	return needs.IsValid() && needs.Kind() == reflect.Bool && needs.Bool()
}

// Refusal returns why the guard refused the request or its body.
func (q *request) Refusal() *exchange.Refusal {
	if q.refusal != nil {
		return q.refusal
	}
	if status, why, refused := guard.Refusal(q.original); refused {
		return &exchange.Refusal{Status: status, Reason: why, PlainHTTP: why == guard.PlainHTTP.Reason}
	}
	return nil
}

// BodyFault returns the error with which reading the body ended, if that error has cancelled the request. Over HTTP/1,
// net/http cancels the request before it returns that error to the reader.
func (q *request) BodyFault() error {
	if q.body == nil || q.original.ProtoMajor != 1 || q.original.Context().Err() == nil {
		return nil
	}
	return q.body.fault()
}

// RespondEarly lets the response start before the body has been read.
func (q *request) RespondEarly() {
	if q.body != nil {
		q.body.respondEarly()
	}
}

// AbandonBody is RespondEarly for a body that will not be read any more. A body of which nothing has been read is
// left to net/http, which keeps the connection when the body is small.
func (q *request) AbandonBody() {
	if q.body != nil && q.body.isStarted() {
		q.body.respondEarly()
	}
}

// SetReason changes what net/http writes at the start of a response. HTTP/2 has no reason phrase, and keeps all fields.
func (q *request) SetReason(status int, phrase string, fields http.Header) {
	guard.SetStartLine(q.original, status, phrase, fields)
}

// ReadBodyBy sets the time by which the whole body must have been read.
func (q *request) ReadBodyBy(t time.Time) {
	if q.body != nil {
		q.body.setDeadline(&q.body.wholeBy, t)
	}
}

// SetReadDeadline sets the time by which the next piece of the body must have been read.
func (q *request) SetReadDeadline(t time.Time) {
	if q.body != nil {
		q.body.setDeadline(&q.body.pieceBy, t)
	}
}
