package client

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// message is one request and its response on a connection. It is also the body of the response.
type message struct {
	c         *Conn
	req       *http.Request
	info      requestInfo
	stopWatch func() bool // ends the watch on the context of the request
	upload    *upload     // nil if the whole request was sent in one write
	keepAlive bool        // the peer keeps the connection open after the response
	ended     bool
	err       error // of the body; io.EOF after its end
	resp      http.Response
}

// send writes out, and starts the upload of a body that is not in it.
func (m *message) send(out []byte) error {
	n, err := m.c.nc.Write(out)
	if err == nil && m.info.length != 0 && !m.info.inline {
		m.upload = newUpload(m.c.nc, m.req, m.info)
		go m.upload.run() // ends with the body, or with the connection
		return nil
	}
	closeBody(m.req)
	if err != nil && n == 0 {
		return m.fail(NotSent, err)
	}
	if err != nil {
		m.upload = failedUpload() // the peer may have sent an early response
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
		if err := m.deliverInterim(line.status, n); err != nil {
			return nil, m.fail(Sent, err)
		}
	}
}

// deliverInterim passes an interim response to the trace hook of the request.
func (m *message) deliverInterim(status, n int) error {
	c := m.c
	if status == http.StatusContinue && m.upload != nil {
		m.upload.decide(true)
	}
	var err error
	if trace := httptrace.ContextClientTrace(m.req.Context()); trace != nil && trace.Got1xxResponse != nil {
		h := wire.Header(string(c.buf[c.r:c.r+n]), c.head.Fields)
		err = trace.Got1xxResponse(status, textproto.MIMEHeader(h))
	}
	c.r += n
	return err
}

// Read reads the response body. It returns the last bytes together with io.EOF.
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
		if v := c.skipFraming(); v != nil {
			m.err = m.fail(Answered, c.violated(v))
			break
		}
		var err error
		switch {
		case c.body.step == stepDone:
			m.complete()
		case c.body.left > 0 && c.r < c.w:
			n = copy(p, c.data(len(p)))
		case c.body.left >= wire.BufferSize && len(p) >= wire.BufferSize/2:
			// Read directly into p. The end of a body goes through the buffer, to notice bytes after the body.
			n, err = c.nc.Read(p[:min(int64(len(p)), c.body.left)])
			c.consume(n)
			if err == io.EOF && n == 0 {
				err = c.readMore() // it returns what the end of the connection means for this body
			}
		default:
			err = c.readMore()
		}
		if err != nil && n == 0 {
			m.err = m.fail(Answered, err)
		}
	}
	if n > 0 && c.body.left == 0 {
		// The framing after the last data may have arrived already.
		if v := c.skipFraming(); v != nil {
			m.err = m.fail(Answered, c.violated(v))
			return n, nil // the data is valid; the next call fails
		}
		if c.body.step == stepDone {
			m.complete()
		}
	}
	return n, m.err
}

// complete ends a message after its response was read to the end.
func (m *message) complete() {
	c := m.c
	m.err = io.EOF
	if c.head.IsTrailer() && len(c.head.Fields) > 0 {
		m.mergeTrailer()
	}
	m.end(true)
}

// Close ends the message. It never waits for the peer: it skips the rest of the body if the rest is in the buffer, and
// otherwise closes the connection.
func (m *message) Close() error {
	if m.ended {
		if m.err == io.EOF {
			m.err = errReadClosed
		}
		return nil
	}
	c := m.c
	for c.body.step != stepDone {
		if v := c.skipFraming(); v != nil || c.body.step != stepDone && (c.body.left == 0 || c.r == c.w) {
			break
		}
		c.data(wire.BufferSize)
	}
	m.err = errReadClosed
	m.end(c.body.step == stepDone)
	return nil
}

// fail ends the message and returns the error for it.
func (m *message) fail(stage Stage, err error) error {
	ctx := m.req.Context()
	switch {
	case m.upload != nil && m.upload.bodyError() != nil:
		err = m.upload.bodyError() // if a body fails, net/http also ends the context: that is a consequence
	case ctx.Err() != nil:
		err = contextError(ctx)
	}
	m.end(false)
	return &Error{stage, err}
}

// end ends the message. The connection stays reusable if the message is clean on both sides.
func (m *message) end(clean bool) {
	if m.ended {
		return
	}
	m.ended = true
	clean = clean && m.keepAlive
	if m.stopWatch != nil && !m.stopWatch() {
		clean = false // the interruption has begun, and would affect the next message
	}
	if m.upload != nil && !m.upload.complete() {
		clean = false
	}
	m.c.endMessage(clean)
}
