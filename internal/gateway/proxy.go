package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// proxy passes the requests of a route to its service, and the responses back to the clients. It removes hop-by-hop
// fields from both: the transport sees a request without those of the client, and the client sees none of a node.
type proxy struct {
	transport http.RoundTripper
	tunnels   *tunnels
	repeats   bool     // the transport may send a request again
	upgrades  []string // the protocols that the service may switch to, in lower case
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchange.From(r)
	hints := earlyHints{w: w, exchange: x, hold: p.repeats}
	ctx := r.Context()
	if takesEarlyHints(r) {
		ctx = hints.observe(ctx)
	}
	out := outgoing(ctx, r, p.upgrades)
	wantsTrailers := len(out.Header["Te"]) > 0
	resp, err := p.transport.RoundTrip(out)
	x.Release() // from here on, the node counts the request
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if err := p.tunnels.serve(w, r, resp, out.Header.Get("Upgrade")); err != nil {
			problem.Write(w, r, err)
		}
		return
	}
	hints.pass()
	h := w.Header()
	copyHeader(h, resp.Header)
	x.PutRequestID(h)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else the server would guess a type, and browsers would act on it
	}
	if wantsTrailers {
		announceTrailers(h, resp)
	}
	x.RespondEarly()
	keepStartLine(x, resp)
	w.WriteHeader(resp.StatusCode)
	if err := copyBody(w, resp); err != nil {
		problem.Abort(r, err)
	}
	if wantsTrailers {
		sendTrailers(h, resp)
	}
}

// keepStartLine makes the server send the reason phrase of the node, and the fields of a 304 that describe the response
// to a GET without conditions (RFC 9110 section 15.4.5): net/http's server removes them.
func keepStartLine(x *exchange.Exchange, resp *http.Response) {
	_, phrase, _ := strings.Cut(resp.Status, " ")
	var fields http.Header
	if resp.StatusCode == http.StatusNotModified {
		for _, name := range []string{"Content-Length", "Content-Type"} {
			if values := resp.Header[name]; len(values) > 0 {
				if fields == nil {
					fields = http.Header{}
				}
				fields[name] = values
			}
		}
	}
	if usual := http.StatusText(resp.StatusCode); fields != nil || phrase != usual || usual == "" {
		x.SetReason(resp.StatusCode, phrase, fields)
	}
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyBody sends the body of a response. A body of unknown length may be a stream of events: copyBody sends the header
// before the first piece of it, and each piece at once.
func copyBody(w http.ResponseWriter, resp *http.Response) error {
	if resp.Body == http.NoBody {
		return nil
	}
	if whole, ok := resp.Body.(io.WriterTo); ok { // a body in memory: saves the copy
		_, err := whole.WriteTo(w)
		return err
	}
	flush := func() error { return nil }
	if resp.ContentLength < 0 {
		flush = http.NewResponseController(w).Flush
		if err := flush(); err != nil {
			return err
		}
	}
	return copyPieces(w, resp.Body, flush)
}

func copyPieces(w io.Writer, body io.Reader, flush func() error) error {
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil // the server flushes the last piece
		case err != nil:
			return err
		}
		if n > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// announceTrailers declares the trailers of a response. The server sends only declared ones.
func announceTrailers(h http.Header, resp *http.Response) {
	for name := range resp.Trailer {
		h.Add("Trailer", name)
	}
}

func sendTrailers(h http.Header, resp *http.Response) {
	for name, values := range resp.Trailer {
		delete(h, name) // the header's field of this name was sent before
		for _, v := range values {
			h.Add(http.TrailerPrefix+name, v)
		}
	}
}
