// Package problem answers requests that no service answers. One function, Of, maps every error to a status, a reason
// and a text; one function, Write, sends them: as problem+json (RFC 9457), to browsers as a page, to gRPC clients as a status
// of gRPC.
package problem

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// Problem is an error and the response to it. The values of this package (NoNode, BodyTooLarge, ...) are shared: use
// With to add a cause.
type Problem struct {
	Status     int
	Reason     string         // a word for programs, from a closed set: "no_node", "queue_full", ...
	Detail     string         // a sentence for people. It must not contain anything that is secret from a stranger
	RetryAfter time.Duration  // 0 for no such field
	Allow      []string       // the allowed methods, with status 405; nil for no such field
	Challenge  string         // the WWW-Authenticate field, with status 401; "" for no such field
	PlainText  bool           // the response is the detail as text, for people who see it in place of a page
	Page       *exchange.Page // the body for clients that do not prefer JSON; nil for the one of the exchange, or none
	Err        error          // the cause, for the log only
}

// StatusClientGone is the status in the log when the client disconnected before there was a response, as in nginx's
// log.
const StatusClientGone = 499

func (p *Problem) Error() string {
	if p.Err != nil {
		return p.Reason + ": " + p.Err.Error()
	}
	return p.Reason
}

func (p *Problem) Unwrap() error { return p.Err }

// With returns the problem with a cause.
func (p *Problem) With(err error) *Problem {
	q := *p
	q.Err = err
	return &q
}

// Write answers the request with the problem that Of finds in err, and notes it in the exchange. When the client is
// gone it does not return: it ends the handler with http.ErrAbortHandler.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p := Of(r, err)
	if p.Status == StatusClientGone {
		NoteClientGone(r, p.Err)
		panic(http.ErrAbortHandler)
	}
	x := exchange.From(r)
	if x != nil {
		x.Reason, x.Err = p.Reason, p.Err
	}
	x.AbandonBody()
	p.write(w, r)
}

// NoteClientGone notes in the exchange that the client disconnected before it had a response.
func NoteClientGone(r *http.Request, err error) {
	if x := exchange.From(r); x != nil {
		x.Status, x.Reason, x.Err = StatusClientGone, ClientGone.Reason, err
	}
}

// Abort ends a handler that cannot complete a response which it has begun, and notes why. It does not return: only
// http.ErrAbortHandler tells the client that the response is incomplete.
func Abort(r *http.Request, err error) {
	if x := exchange.From(r); x != nil {
		x.Reason, x.Err = "answer_broken", err
		if r.Context().Err() != nil {
			x.Reason = ClientGone.Reason
		}
	}
	panic(http.ErrAbortHandler)
}

func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	p.setHeader(w.Header())
	if exchange.IsGRPC(r) {
		p.writeGRPC(w, r)
		return
	}
	if p.PlainText {
		writeBody(w, r, p.Status, "text/plain; charset=utf-8", append([]byte(p.Detail), '\n'))
		return
	}
	x, accept := exchange.From(r), r.Header["Accept"]
	if page := p.page(x); page != nil && AcceptsPage(accept, page.Type) {
		writeBody(w, r, p.Status, page.Type, page.Expand(x, p.Status))
		return
	}
	if prefersHTML(accept) {
		p.writeHTML(w, r, x)
		return
	}
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Reason string `json:"reason"`
	}{"about:blank", http.StatusText(p.Status), p.Status, p.Detail, p.Reason})
	if err != nil {
		panic(err) // not possible: strings and a number
	}
	writeBody(w, r, p.Status, "application/problem+json", append(body, '\n'))
}

// page returns the page that the configuration names for the problem, or nil.
func (p *Problem) page(x *exchange.Exchange) *exchange.Page {
	if p.Page != nil || x == nil || x.Pages == nil {
		return p.Page
	}
	return x.Pages.Page(p.Status, false)
}

func writeBody(w http.ResponseWriter, r *http.Request, status int, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// setHeader sets the fields that do not depend on the form of the response.
func (p *Problem) setHeader(h http.Header) {
	h.Set("Cache-Control", "no-store") // the response describes this moment, not the resource
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.Allow != nil {
		h.Set("Allow", strings.Join(p.Allow, ", "))
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
}
