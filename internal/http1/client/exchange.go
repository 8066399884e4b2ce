package client

import (
	"bytes"
	"io"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Head is the response that Exchange read. The next Exchange with the same Head reuses its memory.
type Head struct {
	Status        int
	ContentLength int64 // as declared; -1 without one
	BodyBytes     int64 // bytes of the body, without its framing
	KeepAlive     bool  // the connection can carry another message

	text   []byte
	fields []wire.Field
}

// Get returns the value of the first field with that lower-case name, or nil. It is valid until the next Exchange.
func (h *Head) Get(name string) []byte {
	for _, f := range h.fields {
		if wire.EqualFold(f.Name(h.text), name) {
			return f.Value(h.text)
		}
	}
	return nil
}

// All calls yield for each field, in the order of arrival. Names and values are valid until the next Exchange.
func (h *Head) All(yield func(name, value []byte) bool) {
	for _, f := range h.fields {
		if !yield(f.Name(h.text), f.Value(h.text)) {
			return
		}
	}
}

// Exchange is RoundTrip for a load generator, without allocations. It writes the complete request in raw, fills in
// head, and writes the response body to sink, or drops it if sink is nil. It skips interim responses. A switch of
// protocols is an error. For time limits, set deadlines on the net.Conn.
//
// Each error is an *Error. An error closes the connection.
func (c *Conn) Exchange(raw []byte, head *Head, sink io.Writer) error {
	if !c.Reusable() {
		return &Error{NotSent, errNotReusable}
	}
	*head = Head{text: head.text[:0], fields: head.fields[:0]}
	c.busy, c.answered = true, false
	c.acquireBuffers()
	stage, err := c.exchange(raw, head, sink)
	if err != nil {
		c.endMessage(false)
		return &Error{stage, err}
	}
	head.KeepAlive = head.KeepAlive && c.r == c.w
	c.endMessage(head.KeepAlive)
	return nil
}

func (c *Conn) exchange(raw []byte, head *Head, sink io.Writer) (Stage, error) {
	if n, err := c.nc.Write(raw); err != nil && n == 0 {
		return NotSent, err
	} else if err != nil {
		return Sent, err
	}
	line, n, err := c.readHead()
	for interim := 0; err == nil && line.status < 200; interim++ {
		if line.status == http.StatusSwitchingProtocols || interim >= maxInterim {
			return Sent, &MalformedError{"unexpected interim response"}
		}
		c.r += n
		line, n, err = c.readHead()
	}
	if err != nil {
		return Sent, err
	}
	head.Status = line.status
	head.ContentLength = c.head.Length
	head.text = append(head.text, c.buf[c.r:c.r+n]...)
	head.fields = append(head.fields, c.head.Fields...)
	c.r += n
	head.KeepAlive = c.beginBody(line, bytes.HasPrefix(raw, []byte("HEAD ")))
	if err := c.readBody(head, sink); err != nil {
		return Answered, err
	}
	return Answered, nil
}

// readBody reads the body to its end.
func (c *Conn) readBody(head *Head, sink io.Writer) error {
	for {
		if v := c.skipFraming(); v != nil {
			return c.violated(v)
		}
		if c.body.step == stepDone {
			return nil
		}
		if c.body.left == 0 || c.r == c.w {
			if err := c.readMore(); err != nil {
				return err
			}
			continue
		}
		p := c.data(len(c.buf))
		head.BodyBytes += int64(len(p))
		if sink != nil {
			if _, err := sink.Write(p); err != nil {
				return err
			}
		}
	}
}
