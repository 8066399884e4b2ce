package client

import (
	"io"
	"math"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// bodyDecoder is the position in the framing of a response body.
type bodyDecoder struct {
	step       step
	left       int64 // data octets until the next step; MaxInt64 if only the end of the connection ends them
	extensions int   // octets of chunk extensions so far
}

// step says what the next octets are.
type step uint8

const (
	stepDone      step = iota // the message is complete
	stepFixed                 // data by Content-Length
	stepClose                 // data until the connection ends
	stepChunkSize             // a chunk-size line
	stepChunk                 // data of a chunk
	stepChunkEnd              // the CRLF after it
	stepTrailer               // the trailer section
)

// beginBody chooses the framing of the response whose head was just parsed (RFC 9112 section 6.3). It reports whether
// the peer keeps the connection open after the response.
func (c *Conn) beginBody(line statusLine, headRequest bool) (keepAlive bool) {
	h := c.head
	c.body = bodyDecoder{}
	keepAlive = h.Persistent(line.minor)
	switch {
	case headRequest || line.status == http.StatusNotModified:
	case line.status == http.StatusNoContent:
		// It must have no body. If it announces one, a body may follow all the same.
		keepAlive = keepAlive && !h.Chunked && h.Length <= 0
	case h.Chunked:
		c.body.step = stepChunkSize
	case h.Length > 0:
		c.body.step, c.body.left = stepFixed, h.Length
	case h.Length < 0:
		c.body.step, c.body.left = stepClose, math.MaxInt64
		keepAlive = false
	}
	return keepAlive
}

// skipFraming consumes the framing at the front of the buffer. After it, data is next (body.left > 0), or the message
// is complete, or more of the framing has to be read.
func (c *Conn) skipFraming() *wire.Violation {
	d := &c.body
	for {
		b := c.buf[c.r:c.w]
		switch d.step {
		case stepChunkSize:
			n, size, extension, v := wire.ReadChunkLine(b, d.extensions)
			if n == 0 {
				return v
			}
			c.r += n
			d.extensions += extension
			d.left, d.step = size, stepChunk
			if size == 0 {
				d.step = stepTrailer
				c.head.Reset(wire.TrailerLimits)
			}
		case stepFixed, stepChunk:
			if d.left > 0 {
				return nil
			}
			if d.step == stepFixed {
				d.step = stepDone
			} else {
				d.step = stepChunkEnd
			}
		case stepChunkEnd:
			if len(b) > 0 && b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
				return wire.BadChunkEnd
			}
			if len(b) < 2 {
				return nil
			}
			c.r += 2
			d.step = stepChunkSize
		case stepTrailer:
			return c.readTrailer(b)
		default:
			return nil
		}
	}
}

// readTrailer parses the trailer section at the front of b. Its fields are then in c.head. Its text stays in front of
// c.r until the next read into the buffer. It drops fields that may not stand there: they must not cost the body, which
// is complete, nor be used.
func (c *Conn) readTrailer(b []byte) *wire.Violation {
	n, v := c.head.Parse(b)
	if v != nil || n == 0 {
		return v
	}
	c.head.DropForbidden(b)
	c.r += n
	c.body.step = stepDone
	return nil
}

// data consumes and returns the data octets at the front of the buffer, at most max of them.
func (c *Conn) data(max int) []byte {
	n := int(min(c.body.left, int64(c.w-c.r), int64(max)))
	p := c.buf[c.r : c.r+n]
	c.r += n
	c.consume(n)
	return p
}

// consume counts n octets of data as read.
func (c *Conn) consume(n int) {
	if c.body.step != stepClose {
		c.body.left -= int64(n)
	}
}

// readMore reads into the buffer, because it has neither data nor the rest of the framing. If the connection ends, it
// completes a body that ends with the connection, and returns io.ErrUnexpectedEOF for any other.
func (c *Conn) readMore() error {
	err := c.fill()
	if err != io.EOF {
		return err
	}
	if c.body.step == stepClose {
		c.body.step, c.body.left = stepDone, 0
		return nil
	}
	return io.ErrUnexpectedEOF
}
