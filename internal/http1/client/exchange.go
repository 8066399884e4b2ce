package client

import (
	"bytes"
	"io"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Head is what Exchange read, in memory that the next Exchange with it uses again.
type Head struct {
	Status        int
	ContentLength int64 // as declared; -1 when it was not
	BodyBytes     int64 // how many bytes of body came, without their framing
	KeepAlive     bool  // the connection is good for another message

	text   []byte
	fields []wire.Field
}

// Get returns the value of the first field of that lower-case name, or nil. It is valid until the next Exchange.
func (h *Head) Get(name string) []byte {
	for _, f := range h.fields {
		if wire.EqualFold(f.Name(h.text), name) {
			return f.Value(h.text)
		}
	}
	return nil
}

// All calls yield for each field, in the order of arrival. What it gets is valid until the next Exchange.
func (h *Head) All(yield func(name, value []byte) bool) {
	for _, f := range h.fields {
		if !yield(f.Name(h.text), f.Value(h.text)) {
			return
		}
	}
}

// Exchange is RoundTrip for a load generator: it writes a request that is ready and complete in raw, fills in head, and
// writes the response body to sink, or drops it when sink is nil. It allocates nothing of its own. Interim responses are
// passed over and a switch of protocols is an error; time limits are the business of the net.Conn's deadlines.
//
// Each error is an *Error, and closes the connection.
func (c *Conn) Exchange(raw []byte, head *Head, sink io.Writer) error {
	if !c.Reusable() {
		return &Error{NotSent, errNotReusable}
	}
	*head = Head{text: head.text[:0], fields: head.fields[:0]}
	c.busy = true
	c.borrow()
	stage, err := c.exchange(raw, head, sink)
	if err != nil {
		c.finish(false)
		return &Error{stage, err}
	}
	head.KeepAlive = head.KeepAlive && c.r == c.w
	c.finish(head.KeepAlive)
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
	head.KeepAlive = c.begin(line, bytes.HasPrefix(raw, []byte("HEAD ")))
	if err := c.drain(head, sink); err != nil {
		return Answered, err
	}
	return Answered, nil
}

// drain reads the body to its end.
func (c *Conn) drain(head *Head, sink io.Writer) error {
	for {
		if f := c.advance(); f != nil {
			return &MalformedError{f.Reason}
		}
		if c.in.step == stepOver {
			return nil
		}
		if c.in.left == 0 || c.r == c.w {
			if err := c.more(); err != nil {
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
