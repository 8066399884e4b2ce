package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
)

// message is one request and its response on a connection. It is the response's body, too.
type message struct {
	c    *Conn
	ctx  context.Context
	stop func() bool // ends the watch over ctx
	req  *http.Request
	plan plan
	up   *upload // nil when the request left in one write
	keep bool    // the peer means to keep the connection after this
	done bool
	err  error // of the body, io.EOF after its end
	resp http.Response
}

// send writes what is to leave at once, and starts the upload of the rest.
func (m *message) send(out []byte) error {
	n, err := m.c.nc.Write(out)
	if err == nil && m.plan.length != 0 && !m.plan.inline {
		m.up = newUpload(m.c.nc, m.req, m.plan)
		go m.up.run() // ends with the body, or with the connection
		return nil
	}
	closeBody(m.req)
	if err != nil && n == 0 {
		return m.fail(NotSent, err)
	}
	if err != nil {
		m.up = brokenUpload() // an early response may be waiting to be read nevertheless
	}
	return nil
}

// receive reads the interim responses and the head of the final one.
func (m *message) receive() (*http.Response, error) {
	c := m.c
	for interim := 0; ; interim++ {
		line, n, err := c.readHead()
		switch {
		case err != nil:
			return nil, m.fail(Sent, err)
		case line.status >= 200:
			return m.respond(line, n)
		case line.status == http.StatusSwitchingProtocols:
			return m.switchProtocols(line, n)
		case interim >= maxInterim:
			return nil, m.fail(Sent, &MalformedError{"too many interim responses"})
		}
		if err := m.deliver(line.status, n); err != nil {
			return nil, m.fail(Sent, err)
		}
	}
}

// deliver hands an interim response to whoever traces the request.
func (m *message) deliver(status, n int) error {
	c := m.c
	if status == http.StatusContinue && m.up != nil {
		m.up.answer(true)
	}
	var err error
	if trace := httptrace.ContextClientTrace(m.ctx); trace != nil && trace.Got1xxResponse != nil {
		h := header(string(c.buf[c.r:c.r+n]), c.head.fields)
		err = trace.Got1xxResponse(status, textproto.MIMEHeader(h))
	}
	c.r += n
	return err
}

// respond makes the response of the head that is in the buffer.
func (m *message) respond(line statusLine, n int) (*http.Response, error) {
	c := m.c
	if m.up != nil {
		m.up.answer(false) // a peer that does not ask for the body by now does not want it
	}
	m.fill(line, n)
	m.keep = c.begin(line, m.plan.head) && !m.req.Close
	resp := &m.resp
	resp.Close = !m.keep
	resp.ContentLength = c.head.length
	if !m.plan.head && c.in.step == stepOver {
		resp.ContentLength = 0 // also for 304, where the field speaks of another response
	}
	if c.head.chunked {
		resp.TransferEncoding = []string{"chunked"}
		if err := m.declareTrailer(); err != nil {
			return nil, m.fail(Sent, err)
		}
	}
	if c.in.step == stepOver {
		m.end(true)
		resp.Body = http.NoBody
		return resp, nil
	}
	resp.Body = m
	return resp, nil
}

// fill fills in what every response has, and takes its head from the buffer.
func (m *message) fill(line statusLine, n int) {
	c := m.c
	text := string(c.buf[c.r : c.r+n])
	m.resp = http.Response{
		Status:     text[len("HTTP/1.1 "):c.head.line],
		StatusCode: line.status,
		Proto:      [...]string{"HTTP/1.0", "HTTP/1.1"}[line.minor],
		ProtoMajor: 1,
		ProtoMinor: line.minor,
		Header:     header(text, c.head.fields),
		Request:    m.req,
	}
	c.r += n
}

// header makes the map of a head's fields. All values are parts of text.
func header(text string, fields []field) http.Header {
	h := make(http.Header, len(fields))
	values := make([]string, len(fields))
	for i, f := range fields {
		name := canonicalName(text[f.nameStart:f.nameEnd])
		value := text[f.valueStart:f.valueEnd]
		if old, ok := h[name]; ok {
			h[name] = append(old, value)
			continue
		}
		values[i] = value
		h[name] = values[i : i+1 : i+1]
	}
	return h
}

// declareTrailer moves the framing of a chunked response out of its header, as net/http does.
func (m *message) declareTrailer() error {
	h := m.resp.Header
	delete(h, "Transfer-Encoding")
	names, ok := h["Trailer"]
	if !ok {
		return nil
	}
	delete(h, "Trailer")
	for _, list := range names {
		for name := range strings.SplitSeq(list, ",") {
			if name = trimOWS(name); name == "" {
				continue
			}
			if !validToken(name) || notTrailer(name) {
				return &MalformedError{faultTrailer.reason}
			}
			if m.resp.Trailer == nil {
				m.resp.Trailer = http.Header{}
			}
			m.resp.Trailer[canonicalName(name)] = nil
		}
	}
	return nil
}

// Read reads the response body. The last bytes and io.EOF come together.
func (m *message) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	c := m.c
	n := 0
	for n == 0 && m.err == nil {
		if f := c.advance(); f != nil {
			m.err = m.fail(Answered, &MalformedError{f.reason})
			break
		}
		var err error
		switch {
		case c.in.step == stepOver:
			m.complete()
		case c.in.left > 0 && c.r < c.w:
			n = copy(p, c.data(len(p)))
		case c.in.left >= bufferSize && len(p) >= bufferSize/2:
			// Past the buffer. The tail of a body goes through it, so that what follows the body is noticed.
			n, err = c.nc.Read(p[:min(int64(len(p)), c.in.left)])
			c.used(n)
			if err == io.EOF && n == 0 {
				err = c.more() // the same end, in its meaning for the body
			}
		default:
			err = c.more()
		}
		if err != nil && n == 0 {
			m.err = m.fail(Answered, err)
		}
	}
	if n > 0 && c.in.left == 0 {
		// What follows the last data may be here already.
		if f := c.advance(); f != nil {
			m.err = m.fail(Answered, &MalformedError{f.reason})
			return n, nil // the data was in order; the next call fails
		}
		if c.in.step == stepOver {
			m.complete()
		}
	}
	return n, m.err
}

// complete ends a message whose response was read to its end.
func (m *message) complete() {
	c := m.c
	m.err = io.EOF
	if c.head.line == 0 && len(c.head.fields) > 0 { // the last that was parsed is a trailer section
		m.mergeTrailer()
	}
	m.end(true)
}

// mergeTrailer is called right after the trailer section was parsed, which lies in front of c.r.
func (m *message) mergeTrailer() {
	c := m.c
	text := string(c.buf[c.r-c.head.pos : c.r])
	if m.resp.Trailer == nil {
		m.resp.Trailer = http.Header{}
	}
	for name, values := range header(text, c.head.fields) {
		m.resp.Trailer[name] = values
	}
}

// Close ends the message. It never waits for the peer: a rest that is in the buffer is passed over, one that is not
// costs the connection.
func (m *message) Close() error {
	if m.done {
		if m.err == io.EOF {
			m.err = errReadClosed
		}
		return nil
	}
	c := m.c
	clean := false
	for c.in.step != stepOver {
		if f := c.advance(); f != nil || c.in.step != stepOver && (c.in.left == 0 || c.r == c.w) {
			break
		}
		c.data(bufferSize)
	}
	clean = c.in.step == stepOver
	m.err = errReadClosed
	m.end(clean)
	return nil
}

// fail ends the message and says why.
func (m *message) fail(stage Stage, err error) error {
	switch {
	case m.up != nil && m.up.refused() != nil:
		err = m.up.refused() // net/http ends the context of a request whose body fails: an effect, not the cause
	case m.ctx.Err() != nil:
		err = ended(m.ctx)
	}
	m.end(false)
	return &Error{stage, err}
}

// end gives the connection back, clean or broken.
func (m *message) end(clean bool) {
	if m.done {
		return
	}
	m.done = true
	clean = clean && m.keep
	if m.stop != nil && !m.stop() {
		clean = false // the interruption is under way, and would hit the next message
	}
	if m.up != nil && !m.up.settled() {
		clean = false
	}
	m.c.finish(clean)
}

// switchProtocols makes the response whose body is the connection itself.
func (m *message) switchProtocols(line statusLine, n int) (*http.Response, error) {
	c := m.c
	if !m.plan.upgrade || !c.head.upgrade {
		return nil, m.fail(Sent, &MalformedError{"unexpected switch of protocols"})
	}
	m.fill(line, n)
	m.keep = false
	rest := append([]byte(nil), c.buf[c.r:c.w]...)
	c.r = c.w
	if m.stop != nil && !m.stop() {
		m.stop = nil
		return nil, m.fail(Sent, errors.New("interrupted"))
	}
	m.done = true
	c.busy, c.broken = false, true
	c.giveBack()
	m.resp.Body = &tunnel{c: c, rest: rest}
	return &m.resp, nil
}

// tunnel is the connection after a switch of protocols. Reading and writing may run side by side.
type tunnel struct {
	c    *Conn
	rest []byte // came with the response head
}

func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.rest) > 0 {
		n := copy(p, t.rest)
		t.rest = t.rest[n:]
		return n, nil
	}
	return t.c.nc.Read(p)
}

func (t *tunnel) Write(p []byte) (int, error) { return t.c.nc.Write(p) }
func (t *tunnel) Close() error                { return t.c.Close() }

// CloseWrite ends the writing half, where the connection has halves.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("close write: %w", errors.ErrUnsupported)
}

// WriteTo lets the kernel move the bytes, where it can.
func (t *tunnel) WriteTo(w io.Writer) (n int64, err error) {
	if len(t.rest) > 0 {
		k, err := w.Write(t.rest)
		t.rest = t.rest[k:]
		if err != nil {
			return int64(k), err
		}
		n = int64(k)
	}
	k, err := io.Copy(w, t.c.nc)
	return n + k, err
}

// ReadFrom is WriteTo's other direction.
func (t *tunnel) ReadFrom(r io.Reader) (int64, error) { return io.Copy(t.c.nc, r) }
