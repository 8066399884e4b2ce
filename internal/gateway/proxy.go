package gateway

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// proxy passes requests to one service and its answers back.
type proxy struct {
	service string
	pool    http.RoundTripper
	tunnels *tunnels
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := outgoing(w, r)
	wantsTrailer := len(out.Header["Te"]) > 0
	resp, err := p.pool.RoundTrip(out)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if err := p.tunnels.serve(w, r, resp); err != nil {
			problem.Write(w, r, err)
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
