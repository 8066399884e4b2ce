package gateway

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// earlyHints passes responses of status 103 on to the client. If the request may be sent again, the hints of a try wait
// until the header of its response has arrived: those of a try that fails must not reach the client, because another
// node gives the response.
type earlyHints struct {
	w        http.ResponseWriter
	exchange *exchange.Exchange
	hold     bool
	try      int // that sent what is held
	held     []http.Header
	trace    httptrace.ClientTrace // here to save an allocation
}

// takesEarlyHints reports whether the client may get status 103. It may not over HTTP/1.0. It may not while the engine
// might write 100 (Continue) on another goroutine. gRPC has no such status.
func takesEarlyHints(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && len(r.Header["Expect"]) == 0 && !exchange.IsGRPC(r)
}

// observe returns a context in which the client package reports interim responses.
func (e *earlyHints) observe(ctx context.Context) context.Context {
	e.trace.Got1xxResponse = e.got
	return httptrace.WithClientTrace(ctx, &e.trace)
}

// got takes an interim response. The client package has checked its fields; no other step writes before the response.
func (e *earlyHints) got(status int, h textproto.MIMEHeader) error {
	switch {
	case status != http.StatusEarlyHints:
	case !e.hold:
		e.write(http.Header(h))
	default:
		if e.try != e.exchange.Tries {
			e.try, e.held = e.exchange.Tries, nil
		}
		e.held = append(e.held, http.Header(h)) // the client package limits their number
	}
	return nil
}

// pass writes the hints of the try that has succeeded.
func (e *earlyHints) pass() {
	if e.try == e.exchange.Tries {
		for _, h := range e.held {
			e.write(h)
		}
	}
}

func (e *earlyHints) write(h http.Header) {
	header := e.w.Header()
	before := maps.Clone(header)
	clear(header) // it has fields of the response
	copyHeader(header, h)
	e.w.WriteHeader(http.StatusEarlyHints)
	clear(header) // else the server would send the fields again with the response
	maps.Copy(header, before)
}
