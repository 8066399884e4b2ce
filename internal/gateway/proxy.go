package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// proxy passes requests to one service and its answers back.
type proxy struct {
	service string
	pool    *upstream.Pool
	tunnels *tunnels
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := outgoing(w, r)
	wantsTrailer := len(out.Header["Te"]) > 0
	resp, err := p.pool.RoundTrip(out)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if err := p.tunnels.serve(w, r, resp); err != nil {
			p.fail(w, r, err)
		}
		return
	}
	h := w.Header()
	copyHeader(h, resp.Header)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one, and a browser believe it
	}
	if wantsTrailer {
		announceTrailers(h, resp)
	}
	exchange.From(r).RespondEarly()
	w.WriteHeader(resp.StatusCode)
	if err := copyBody(w, resp); err != nil {
		rec := exchange.From(r)
		rec.Err, rec.Reason = err, "answer_broken"
		if r.Context().Err() != nil {
			rec.Reason = "client_gone"
		}
		panic(http.ErrAbortHandler) // the only way to tell the client that the answer is not whole
	}
	if wantsTrailer {
		sendTrailers(h, resp)
	}
}

// outgoing is the request as the node gets it: the same, without the fields that were for us.
func outgoing(w http.ResponseWriter, r *http.Request) *http.Request {
	ctx := r.Context()
	if takesEarlyHints(r) {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			return earlyHints(w, status, h)
		}})
	}
	websocket := wantsWebSocket(r)
	out := r.WithContext(ctx) // a shallow copy: the header is ours to change, the server looks at it no more
	out.RequestURI = ""
	out.Close = false
	out.Trailer = nil // some servers add it to the header, where it would be past every policy
	if r.ContentLength == 0 {
		out.Body = http.NoBody // HTTP/2 always has a body to read from
	}
	trailers := hasToken(r.Header["Te"], "trailers")
	removeHopByHop(out.Header)
	if websocket {
		out.Header["Connection"] = []string{"Upgrade"}
		out.Header["Upgrade"] = []string{"websocket"}
	}
	if trailers {
		out.Header["Te"] = []string{"trailers"}
	}
	delete(out.Header, "Expect") // the server answers 100 (Continue) itself when the body is read
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // or net/http's HTTP/2 would add its own
	}
	return out
}

// takesEarlyHints reports whether 103 may be sent: not to HTTP/1.0, not while net/http may be about to write 100 on
// another goroutine, and not in gRPC, which knows none and where it would be written from yet another one.
func takesEarlyHints(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && len(r.Header["Expect"]) == 0 && !exchange.IsGRPC(r)
}

// earlyHints passes 103 on. The status is the node's, the fields are few, and nothing else may be sent before the answer.
func earlyHints(w http.ResponseWriter, status int, h textproto.MIMEHeader) error {
	if status != http.StatusEarlyHints {
		return nil
	}
	copyHeader(w.Header(), http.Header(h))
	w.WriteHeader(status)
	clear(w.Header()) // or net/http would send them again with the answer
	return nil
}

// hopByHop are the fields of one connection (RFC 9110 section 7.6.1), and of our own.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Http2-Settings",
}

func removeHopByHop(h http.Header) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

func copyHeader(dst, src http.Header) {
	removeHopByHop(src)
	for name, values := range src {
		dst[name] = values
	}
}

// announceTrailers declares the answer's trailers, without which net/http sends none.
func announceTrailers(h http.Header, resp *http.Response) {
	for name := range resp.Trailer {
		h.Add("Trailer", name)
	}
}

func sendTrailers(h http.Header, resp *http.Response) {
	for name, values := range resp.Trailer {
		delete(h, name) // the field of the same name in the header has been sent
		for _, v := range values {
			h.Add(http.TrailerPrefix+name, v)
		}
	}
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyBody passes the answer's body on. What has no known length may be a stream of events, so each piece is sent at once,
// and the header before the first of them.
func copyBody(w http.ResponseWriter, resp *http.Response) error {
	if resp.Body == http.NoBody {
		return nil
	}
	if whole, ok := resp.Body.(io.WriterTo); ok {
		_, err := whole.WriteTo(w)
		return err
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	flush := func() error { return nil }
	if resp.ContentLength < 0 {
		flush = http.NewResponseController(w).Flush
		if err := flush(); err != nil {
			return err
		}
	}
	for {
		n, err := resp.Body.Read(buf[:])
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if err == nil { // the end itself flushes
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fail answers for a request that no node has answered. It is the one place where errors become a status and a text.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	problem := p.problem(r, err)
	problem.Err = err
	if problem.Status == policy.StatusClientGone { // nobody is there to be answered
		rec := exchange.From(r)
		rec.Status, rec.Reason, rec.Err = problem.Status, problem.Reason, err
		panic(http.ErrAbortHandler)
	}
	problem.Write(w, r)
}

func (p *proxy) problem(r *http.Request, err error) policy.Problem {
	var open *upstream.OpenError
	var body *client.BodyError
	if refusal := exchange.From(r).Refusal(); refusal != nil { // in the middle of the body
		return policy.Problem{Status: refusal.Status, Reason: "malformed", Detail: refusal.Reason}
	}
	if fault := exchange.From(r).BodyFault(); fault != nil {
		err = &client.BodyError{Err: fault}
	}
	switch {
	case errors.As(err, &body):
		return policy.BodyProblem(body)
	case r.Context().Err() != nil:
		return policy.Problem{Status: policy.StatusClientGone, Reason: "client_gone"}
	case errors.As(err, &open):
		return policy.Problem{Status: 503, Reason: "breaker_open", RetryAfter: max(time.Second, open.RetryAfter),
			Detail: "too many recent requests to this service failed; it is left alone for a moment"}
	case errors.Is(err, upstream.ErrNoNode):
		return policy.Problem{Status: 503, Reason: "no_node", RetryAfter: time.Second, Detail: "no node of this service is ready"}
	case errors.Is(err, upstream.ErrQueueFull):
		return policy.Problem{Status: 503, Reason: "queue_full", RetryAfter: time.Second,
			Detail: "all nodes of this service are busy and the queue in front of them is full"}
	case errors.Is(err, upstream.ErrQueueTimeout):
		return policy.Problem{Status: 503, Reason: "queue_timeout", RetryAfter: time.Second,
			Detail: "all nodes of this service are busy and none came free in time"}
	case errors.Is(err, upstream.ErrTimeout), errors.Is(err, upstream.ErrTryTimeout):
		return policy.Problem{Status: 504, Reason: "timeout", Detail: "the service did not answer in time"}
	case errors.Is(err, upstream.ErrDrained):
		return policy.Problem{Status: 503, Reason: "drained", RetryAfter: time.Second,
			Detail: "the node was taken out before it had answered; the request may or may not have had its effect"}
	case isDial(err):
		return policy.Problem{Status: 503, Reason: "unreachable", RetryAfter: time.Second,
			Detail: "no node of this service could be reached"}
	}
	return policy.Problem{Status: 502, Reason: "node_failed",
		Detail: "the node failed before it had answered; the request may or may not have had its effect"}
}

// isDial says that the last try ended before there was a connection to a node.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func noRoute(m match) policy.Problem {
	if len(m.allowed) > 0 {
		slices.Sort(m.allowed)
		allowed := slices.Compact(m.allowed)
		return policy.Problem{Status: 405, Reason: "method", Allow: allowed, Detail: "this path takes " + strings.Join(allowed, ", ")}
	}
	return policy.Problem{Status: 404, Reason: "no_route", Detail: "no route leads here"}
}
