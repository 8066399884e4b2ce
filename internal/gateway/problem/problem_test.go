package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

func TestWrite(t *testing.T) {
	for method, want := range map[string]string{
		"GET":  `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"\"quoted\" \u003chtml\u003e","reason":"no_node"}` + "\n",
		"HEAD": "",
	} {
		w := httptest.NewRecorder()
		Write(w, httptest.NewRequest(method, "/", nil), &Problem{Status: 503, Reason: "no_node", Detail: `"quoted" <html>`,
			RetryAfter: 1100 * time.Millisecond, Allow: []string{"GET", "PUT"}, Challenge: "Bearer", Err: errors.New("secret")})
		h := w.Header()
		if w.Code != 503 || w.Body.String() != want || h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Retry-After") != "2" || h.Get("Allow") != "GET, PUT" || h.Get("Www-Authenticate") != "Bearer" || h.Get("Content-Length") != "124" {
			t.Errorf("%s: %d %q %v", method, w.Code, w.Body, h)
		}
		if want != "" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q is not JSON", w.Body)
		}
	}
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), NoRoute)
	if h := w.Header(); h["Retry-After"] != nil || h["Allow"] != nil || h["Www-Authenticate"] != nil {
		t.Errorf("unexpected fields: %v", h)
	}
}

// inbound is the engine's part of an exchange under test.
type inbound struct {
	exchange.Inbound
	refusal   *exchange.Refusal
	fault     error
	abandoned bool
}

func (i *inbound) Refusal() *exchange.Refusal { return i.refusal }
func (i *inbound) BodyFault() error           { return i.fault }
func (i *inbound) AbandonBody()               { i.abandoned = true }

// Of maps every error to its status and reason, and keeps it as the cause.
func TestOf(t *testing.T) {
	body := func(err error) error { return &client.Error{Err: &client.BodyError{Err: err}} }
	for name, c := range map[string]struct {
		err     error
		inbound inbound
		gone    bool // the request's context is cancelled
		status  int
		reason  string
	}{
		"a problem":                   {err: NoRoute, status: 404, reason: "no_route"},
		"a problem in a body's error": {err: body(BodyTooSlow), status: 408, reason: "body_too_slow"},
		"a problem without a client":  {err: NoRoute, gone: true, status: 404, reason: "no_route"},
		"a refusal":                   {err: &exchange.Refusal{Status: 431, Reason: "x"}, status: 431, reason: "malformed"},
		"a refused body":              {err: io.EOF, inbound: inbound{refusal: &exchange.Refusal{Status: 400}}, gone: true, status: 400, reason: "malformed"},
		"a body's fault":              {err: io.EOF, inbound: inbound{fault: os.ErrDeadlineExceeded}, gone: true, status: 408, reason: "body_too_slow"},
		"a body that is too large":    {err: body(&http.MaxBytesError{}), status: 413, reason: "body_too_large"},
		"a body that ends early":      {err: body(io.ErrUnexpectedEOF), status: 499, reason: "client_gone"},
		"a cancelled body":            {err: body(context.Canceled), status: 499, reason: "client_gone"},
		"a broken body":               {err: body(io.ErrClosedPipe), status: 400, reason: "body"},
		"no client":                   {err: io.EOF, gone: true, status: 499, reason: "client_gone"},
		"an open breaker":             {err: &upstream.OpenError{RetryAfter: time.Minute}, status: 503, reason: "breaker_open"},
		"no node":                     {err: upstream.ErrNoNode, status: 503, reason: "no_node"},
		"a full queue":                {err: upstream.ErrQueueFull, status: 503, reason: "queue_full"},
		"a slow queue":                {err: upstream.ErrQueueTimeout, status: 503, reason: "queue_timeout"},
		"a slow service":              {err: upstream.ErrTimeout, status: 504, reason: "timeout"},
		"a slow try":                  {err: upstream.ErrTryTimeout, status: 504, reason: "timeout"},
		"a drained node":              {err: upstream.ErrDrained, status: 503, reason: "drained"},
		"a shortage": {err: &upstream.Error{Err: &upstream.ShortageError{Resource: "ports", Err: &net.OpError{Op: "dial", Err: syscall.EADDRNOTAVAIL}}},
			status: 503, reason: "gateway_shortage"},
		"a large response header": {err: &upstream.Error{Err: &upstream.ResponseLimitError{Service: "shop", LimitError: &client.LimitError{Limit: client.LimitHeaderLines, Value: 256}}},
			status: 502, reason: "response_limit"},
		"no connection":       {err: &net.OpError{Op: "dial", Err: io.EOF}, status: 503, reason: "unreachable"},
		"a broken connection": {err: &net.OpError{Op: "read", Err: io.EOF}, status: 502, reason: "node_failed"},
		"any other error":     {err: errors.New("x"), status: 502, reason: "node_failed"},
	} {
		x := &exchange.Exchange{Inbound: &c.inbound}
		r := x.Attach(httptest.NewRequest("POST", "/", nil))
		if c.gone {
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			r = r.WithContext(ctx)
		}
		p := Of(r, fmt.Errorf("wrapped: %w", c.err))
		if p.Status != c.status || p.Reason != c.reason {
			t.Errorf("%s: got %d %s, want %d %s", name, p.Status, p.Reason, c.status, c.reason)
		}
		if p.Status != StatusClientGone && p.Detail == "" && c.err != error(c.inbound.refusal) && c.reason != "malformed" {
			t.Errorf("%s: no detail", name)
		}
	}
	if p := Of(httptest.NewRequest("GET", "/", nil), &upstream.OpenError{RetryAfter: time.Minute}); p.RetryAfter != time.Minute || p.Err == nil {
		t.Errorf("open breaker: %+v", p)
	}
	if BreakerOpen.RetryAfter != time.Second || BreakerOpen.Err != nil {
		t.Errorf("the shared problem was changed: %+v", BreakerOpen)
	}
	if p := Of(httptest.NewRequest("GET", "/", nil), &exchange.Refusal{Status: 405}); len(p.Allow) == 0 {
		t.Error("405 without Allow")
	}
}

// Write notes the problem in the exchange, and gives up the rest of the body.
func TestWriteFillsTheExchange(t *testing.T) {
	in := &inbound{}
	x := &exchange.Exchange{Inbound: in}
	Write(httptest.NewRecorder(), x.Attach(httptest.NewRequest("POST", "/", nil)), upstream.ErrNoNode)
	if x.Reason != "no_node" || x.Err != upstream.ErrNoNode || !in.abandoned {
		t.Errorf("%+v, abandoned %v", x, in.abandoned)
	}
}

// A client that is gone gets no response: the handler ends.
func TestWriteWithoutAClient(t *testing.T) {
	x := &exchange.Exchange{}
	w := httptest.NewRecorder()
	defer func() {
		if recover() != http.ErrAbortHandler || x.Status != StatusClientGone || x.Reason != "client_gone" || w.Body.Len() > 0 {
			t.Errorf("%+v, wrote %q", x, w.Body)
		}
	}()
	Write(w, x.Attach(httptest.NewRequest("POST", "/", nil)), ClientGone)
}

// Abort ends the handler, and tells a client that is gone from a response that broke.
func TestAbort(t *testing.T) {
	for _, gone := range []bool{false, true} {
		x := &exchange.Exchange{Status: 200}
		r := x.Attach(httptest.NewRequest("GET", "/", nil))
		if gone {
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			r = r.WithContext(ctx)
		}
		func() {
			defer func() {
				if err := recover(); err != http.ErrAbortHandler {
					t.Errorf("recovered %v", err)
				}
			}()
			Abort(r, io.ErrUnexpectedEOF)
		}()
		want := map[bool]string{false: "answer_broken", true: "client_gone"}[gone]
		if x.Reason != want || x.Status != 200 || x.Err != io.ErrUnexpectedEOF {
			t.Errorf("client gone %v: %+v", gone, x)
		}
	}
}

// Every problem has a code of gRPC, and its message is printable ASCII.
func TestWriteToGRPC(t *testing.T) {
	for status, want := range map[int]string{
		400: "13", 401: "16", 403: "7", 404: "12", 405: "12", 408: "4", 409: "10", 413: "8", 414: "13", 417: "13", 422: "3", 429: "8", 431: "13",
		500: "2", 501: "2", 502: "14", 503: "14", 504: "4",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", nil)
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", "application/grpc+json")
		Write(w, r, &Problem{Status: status, Reason: "word", Detail: "100 % ü\n", RetryAfter: time.Second, Challenge: "Bearer"})
		h := w.Header()
		if w.Code != 200 || w.Body.Len() > 0 || h.Get("Grpc-Status") != want || h.Get("Grpc-Message") != "word: 100 %25 %C3%BC%0A" ||
			h.Get("Content-Type") != "application/grpc+json" || h.Get("Retry-After") != "1" || h.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%d: got %d %v %q, want %s", status, w.Code, h, w.Body, want)
		}
	}
}
