package client

import (
	"io"
	"math"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// content is the decoder of a response body: what the next octets of the buffer are.
type content struct {
	step step
	left int64 // data octets until the next step; MaxInt64 when only the end of the connection ends them
	ext  int   // chunk extensions so far, in octets
}

type step uint8

const (
	stepOver    step = iota // the message is complete
	stepFixed               // data by Content-Length
	stepClose               // data until the connection ends
	stepSize                // a chunk-size line
	stepChunk               // data of a chunk
	stepEnd                 // the CRLF after it
	stepTrailer             // the trailer section
)

// begin chooses the decoder of the response whose head was just parsed, by RFC 9112 section 6.3. It reports whether the
// peer means the connection to outlive the response.
func (c *Conn) begin(line statusLine, headRequest bool) (keep bool) {
	h := c.head
	c.in = content{}
	keep = h.Persistent(line.minor)
	switch {
	case headRequest || line.status == http.StatusNotModified:
	case line.status == http.StatusNoContent:
		// It must not come with a body. If it announces one, that might follow nevertheless.
		keep = keep && !h.Chunked && h.Length <= 0
	case h.Chunked:
		c.in.step = stepSize
	case h.Length > 0:
		c.in.step, c.in.left = stepFixed, h.Length
	case h.Length < 0:
		c.in.step, c.in.left = stepClose, math.MaxInt64
		keep = false
	}
	return keep
}

// advance passes all framing at the front of the buffer. Afterwards either data is next (in.left > 0), or the message is
// over, or the framing goes on in octets that have not arrived.
func (c *Conn) advance() *wire.Violation {
	in := &c.in
	for {
		b := c.buf[c.r:c.w]
		switch in.step {
		case stepSize:
			n, size, ext, f := wire.ReadChunkLine(b, in.ext)
			if n == 0 {
				return f
			}
			c.r += n
			in.ext += ext
			in.left, in.step = size, stepChunk
			if size == 0 {
				in.step = stepTrailer
				c.head.Reset(wire.TrailerLimits)
			}
		case stepFixed, stepChunk:
			if in.left > 0 {
				return nil
			}
			if in.step == stepFixed {
				in.step = stepOver
			} else {
				in.step = stepEnd
			}
		case stepEnd:
			if len(b) > 0 && b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
				return wire.BadChunkEnd
			}
			if len(b) < 2 {
				return nil
			}
			c.r += 2
			in.step = stepSize
		case stepTrailer:
			if n, f := c.readTrailer(b); n == 0 {
				return f
			}
			return nil
		default:
			return nil
		}
	}
}

// readTrailer parses the trailer section at the front of b. Its fields stay in c.head, its text in b, until the buffer
// is read into again.
func (c *Conn) readTrailer(b []byte) (n int, f *wire.Violation) {
	n, f = c.head.Parse(b)
	if f == nil && n > 0 {
		f = c.head.CheckTrailer(b)
	}
	if f != nil || n == 0 {
		return 0, f
	}
	c.r += n
	c.in.step = stepOver
	return n, nil
}

// data returns the data octets at the front of the buffer, at most max of them, and counts them as used.
func (c *Conn) data(max int) []byte {
	n := int(min(c.in.left, int64(c.w-c.r), int64(max)))
	p := c.buf[c.r : c.r+n]
	c.r += n
	c.used(n)
	return p
}

func (c *Conn) used(n int) {
	if c.in.step != stepClose {
		c.in.left -= int64(n)
	}
}

// more reads on, because neither data nor the rest of the framing is in the buffer.
func (c *Conn) more() error {
	err := c.fill()
	if err != io.EOF {
		return err
	}
	if c.in.step == stepClose {
		c.in.step, c.in.left = stepOver, 0
		return nil
	}
	return io.ErrUnexpectedEOF
}
