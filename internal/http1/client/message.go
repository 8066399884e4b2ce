package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
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

// maxInterim is how many 1xx responses may precede the final one.
const maxInterim = 16

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
		h := wire.Header(string(c.buf[c.r:c.r+n]), c.head.Fields)
		err = trace.Got1xxResponse(status, textproto.MIMEHeader(h))
	}
	c.r += n
	return err
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
			m.err = m.fail(Answered, &MalformedError{f.Reason})
			break
		}
		var err error
		switch {
		case c.in.step == stepOver:
			m.complete()
		case c.in.left > 0 && c.r < c.w:
			n = copy(p, c.data(len(p)))
		case c.in.left >= wire.BufferSize && len(p) >= wire.BufferSize/2:
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
			m.err = m.fail(Answered, &MalformedError{f.Reason})
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
	if c.head.IsTrailer() && len(c.head.Fields) > 0 { // the last that was parsed is a trailer section
		m.mergeTrailer()
	}
	m.end(true)
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
	for c.in.step != stepOver {
		if f := c.advance(); f != nil || c.in.step != stepOver && (c.in.left == 0 || c.r == c.w) {
			break
		}
		c.data(wire.BufferSize)
	}
	m.err = errReadClosed
	m.end(c.in.step == stepOver)
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
