package guard

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// conn is one guarded connection. Bytes from the peer are unread at first. The filter then passes or drops them:
//
//	buf:  | handed out | passed | dropped | unread | free |
//	                  out     outEnd     in      inEnd
//
// Usually there is no buffer: a read goes directly into the server's buffer, and the filter works in it. A pooled
// buffer holds only what the filter cannot pass yet, typically the first part of a head.
//
// net/http guarantees that reads are not concurrent, and that the server's state changes happen between reads.
type conn struct {
	net.Conn
	filter filter

	pooled         *[wire.BufferSize]byte
	buf            []byte
	out, outEnd    int
	in, inEnd      int
	deadline       headDeadline
	deadlineActive bool // the time limit of an incomplete head runs

	refused       atomic.Bool                    // the server has read a refusal
	bodyViolation atomic.Pointer[wire.Violation] // why the body of the current request was refused
	lingered      atomic.Bool

	writing sync.Mutex // held during a write
	responseState
	start atomic.Pointer[startLine] // of the response that is next; nil: as net/http writes it
}

// NetConn returns the connection below.
func (c *conn) NetConn() net.Conn { return c.Conn }

// tlsConn is a guarded connection under TLS. It reports its TLS state to the server.
type tlsConn struct {
	*conn
	tls *tls.Conn
}

// ConnectionState is the source of Request.TLS in http.Server.
func (c *tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// Read returns bytes that passed the filter, or an error of the connection. It may be called again after such an error.
func (c *conn) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if c.out < c.outEnd {
			n := copy(p, c.buf[c.out:c.outEnd])
			c.out += n
			c.releaseBuffer()
			return n, nil
		}
		switch c.filter.state {
		case stateRaw:
			return c.readRaw(p)
		case stateUpgrade:
			return c.readBeforeUpgrade(p)
		case stateRefused:
			return c.readRefusal(p)
		case stateBodyRefused:
			v := c.filter.violation
			c.refused.Store(true)
			c.bodyViolation.Store(v)
			return 0, &RefusedError{v.Status, v.Reason}
		}
		if n, err := c.readFiltered(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// readFiltered filters the unread bytes. Without unread bytes it reads from the connection. It returns 0, nil if the
// caller has to look at the buffer and the filter's state again.
func (c *conn) readFiltered(p []byte) (int, error) {
	if c.in == c.inEnd {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, c.peerEnded(err)
		}
		out, used := c.pass(p[:n])
		if used < n {
			c.store(p[used:n])
		}
		return out, nil
	}
	out, used := c.pass(c.buf[c.in:c.inEnd])
	c.out, c.outEnd, c.in = c.in, c.in+out, c.in+used
	if used > 0 {
		c.releaseBuffer()
		return 0, nil
	}
	return 0, c.fill()
}

// peerEnded returns the error of a read between two requests. While a request is handled, the end of what the peer sends
// is not yet the end of the peer.
func (c *conn) peerEnded(err error) error {
	if err == io.EOF && c.handling.Load() && (c.filter.state == stateHead || c.filter.state == stateUpgrade) {
		return c.awaitEnd()
	}
	return err
}

// pass runs the filter over b. It ends the time limit of a head when the head is complete.
func (c *conn) pass(b []byte) (out, used int) {
	out, used = c.filter.pass(b)
	if c.deadlineActive && (out > 0 || c.filter.state != stateHead) {
		c.endHeadDeadline()
	}
	return out, used
}

func (c *conn) endHeadDeadline() {
	c.deadlineActive = false
	c.deadline.end(c.Conn)
}

// store puts unread bytes into a pooled buffer.
func (c *conn) store(b []byte) {
	c.pooled = wire.GetBuffer()
	c.buf = append(c.pooled[:0], b...)
	c.buf = c.buf[:max(len(b), wire.BufferSize)]
	c.out, c.outEnd, c.in, c.inEnd = 0, 0, 0, len(b)
}

// releaseBuffer returns the buffer to the pool if it is empty.
func (c *conn) releaseBuffer() {
	if c.out == c.outEnd && c.in == c.inEnd && c.pooled != nil {
		wire.PutBuffer(c.pooled)
		c.pooled, c.buf = nil, nil
		c.out, c.outEnd, c.in, c.inEnd = 0, 0, 0, 0
	}
}

// fill reads more bytes after the unread ones. If they are the start of a head, the rest has to arrive in time.
func (c *conn) fill() error {
	if c.inEnd == len(c.buf) && c.in > 0 {
		c.inEnd = copy(c.buf, c.buf[c.in:c.inEnd])
		c.out, c.outEnd, c.in = 0, 0, 0
	}
	if c.inEnd == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...) // the limits of a head bound it
	}
	if c.filter.state == stateHead && !c.deadlineActive {
		c.deadlineActive = true
		c.deadline.begin(c.Conn, c.filter.o.HeaderTimeout)
	}
	n, err := c.Conn.Read(c.buf[c.inEnd:])
	c.inEnd += n
	if n > 0 {
		return nil
	}
	if c.filter.state == stateHead && isTimeout(err) && c.deadline.passed() {
		c.filter.refuse(requestHead{}, headTimeout)
		c.endHeadDeadline()
		c.in = c.inEnd
		c.releaseBuffer()
		return nil
	}
	return err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// readRaw reads after a switch of protocols, first what arrived before it.
func (c *conn) readRaw(p []byte) (int, error) {
	if c.in < c.inEnd {
		n := copy(p, c.buf[c.in:c.inEnd])
		c.in += n
		c.out, c.outEnd = c.in, c.in
		c.releaseBuffer()
		return n, nil
	}
	return c.Conn.Read(p)
}

var errEarlyData = errors.New("too much data after an upgrade request that has no answer yet")

// readBeforeUpgrade serves the read that net/http keeps pending during a handler that may switch protocols. The
// protocol of the next bytes is not known yet. So the bytes are stored until the server's next state decides. The read
// returns only an error.
func (c *conn) readBeforeUpgrade(p []byte) (int, error) {
	for {
		if c.in < c.inEnd && c.inEnd-c.in >= wire.BufferSize {
			return 0, errEarlyData
		}
		if c.in < c.inEnd {
			if err := c.fill(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, c.peerEnded(err)
		}
		c.store(p[:n])
	}
}

// readRefusal returns the request that replaces the refused one. After that it drops all input and waits for the end of
// the connection, because the server expects no more from a client that waits for its answer.
func (c *conn) readRefusal(p []byte) (int, error) {
	c.refused.Store(true)
	if n := copy(p, c.filter.refusal); n > 0 {
		c.filter.refusal = c.filter.refusal[n:]
		return n, nil
	}
	dropped := wire.GetBuffer()
	defer wire.PutBuffer(dropped)
	for {
		if n, err := c.Conn.Read(dropped[:]); n == 0 {
			return 0, err
		}
	}
}

// serverState follows the server's states of the connection.
func (c *conn) serverState(state http.ConnState) {
	f := &c.filter
	c.responseState.serverState(state)
	if state == http.StateIdle {
		c.start.Store(nil) // the response had another status
	}
	switch {
	case state == http.StateHijacked && f.state != stateRefused && f.state != stateBodyRefused:
		f.state = stateRaw
	case state == http.StateIdle && f.state == stateUpgrade:
		f.state = stateHead
	}
}

// ReadFrom writes a response. The kernel moves the bytes if the connection below supports that.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	c.noteWrite(nil)
	if to, ok := c.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buf[:])
}

// CloseWrite shuts down the writing side. It returns errors.ErrUnsupported if the connection below cannot do that.
func (c *conn) CloseWrite() error {
	return closeWrite(c.Conn)
}

func closeWrite(nc net.Conn) error {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Close closes the connection. After a refusal it first reads for a short time: the peer may still be sending, and
// closing a socket with unread data in it can destroy the answer before the peer reads it (RFC 9112 section 9.6).
func (c *conn) Close() error {
	if c.refused.Load() && !c.lingered.Swap(true) && c.CloseWrite() == nil {
		c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		dropped := wire.GetBuffer()
		for n, left := 1, lingerBytes; n > 0 && left > 0; left -= n {
			n, _ = c.Conn.Read(dropped[:])
		}
		wire.PutBuffer(dropped)
	}
	err := c.Conn.Close()
	c.wakeHalfClosed()
	return err
}

// SetReadDeadline limits the next reads. The time limit of an incomplete head applies as well.
func (c *conn) SetReadDeadline(t time.Time) error {
	err := c.deadline.set(c.Conn, t)
	c.wakeHalfClosed()
	return err
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}
