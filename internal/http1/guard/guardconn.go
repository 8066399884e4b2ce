package guard

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// guardConn is one guarded connection. What was read from the peer is at first unread; clear passes it on, or drops it,
// as far as it is in order:
//
//	buf:  | handed out | cleared | dropped | unread | free |
//	                   r         c         q        w
//
// Most of the time there is no buffer: a read goes straight into the server's own, and is cleared there. Only what
// cannot be cleared yet, as a rule the first part of a head, is kept in a borrowed one.
//
// Reads come one at a time, and between the server's state changes: net/http sees to both.
type guardConn struct {
	net.Conn
	o *Options
	filter

	pooled     *[wire.BufferSize]byte
	buf        []byte
	r, c, q, w int

	deadline headDeadline
	refused  atomic.Bool                    // a refusal was handed out
	broken   atomic.Pointer[wire.Violation] // the one that ended the body of the current request
	lingered atomic.Bool
}

// guardTLSConn is a guarded connection under TLS, which tells the server of its handshake.
type guardTLSConn struct {
	*guardConn
	tls *tls.Conn
}

// ConnectionState is where http.Server takes Request.TLS from.
func (g *guardTLSConn) ConnectionState() tls.ConnectionState { return g.tls.ConnectionState() }

var errEager = errors.New("too much data behind an upgrade request that is not answered")

// Read returns what is in order, or the connection's own error, after which it may be called again.
func (g *guardConn) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if g.r < g.c {
			n := copy(p, g.buf[g.r:g.c])
			g.r += n
			g.tidy()
			return n, nil
		}
		switch g.state {
		case guardRaw:
			return g.readRaw(p)
		case guardUpgrade:
			return g.readEarly(p)
		case guardRefused:
			return g.readRefusal(p)
		case guardBroken:
			g.refused.Store(true)
			g.broken.Store(g.fault)
			return 0, &RefusedError{g.fault.Status, g.fault.Reason}
		}
		if n, err := g.readMore(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// readMore clears what is unread, or else reads. It returns nothing when that calls for another look at the state.
func (g *guardConn) readMore(p []byte) (int, error) {
	if g.q == g.w {
		n, err := g.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		out, used := g.clear(p[:n])
		if used < n {
			g.keep(p[used:n])
		}
		return out, nil
	}
	out, used := g.clear(g.buf[g.q:g.w])
	g.r, g.c, g.q = g.q, g.q+out, g.q+used
	if used > 0 {
		g.tidy()
		return 0, nil
	}
	return 0, g.fill()
}

// keep puts what cannot be cleared yet into a buffer of our own.
func (g *guardConn) keep(b []byte) {
	g.pooled = wire.GetBuffer()
	g.buf = append(g.pooled[:0], b...)
	g.buf = g.buf[:max(len(b), wire.BufferSize)]
	g.r, g.c, g.q, g.w = 0, 0, 0, len(b)
}

// tidy gives the buffer back when nothing is in it.
func (g *guardConn) tidy() {
	if g.r == g.c && g.q == g.w && g.pooled != nil {
		wire.PutBuffer(g.pooled)
		g.pooled, g.buf = nil, nil
		g.r, g.c, g.q, g.w = 0, 0, 0, 0
	}
}

// fill reads behind what is unread, within the time that the rest of a head may take.
func (g *guardConn) fill() error {
	if g.w == len(g.buf) && g.q > 0 {
		g.w = copy(g.buf, g.buf[g.q:g.w])
		g.r, g.c, g.q = 0, 0, 0
	}
	if g.w == len(g.buf) {
		g.buf = append(g.buf, make([]byte, len(g.buf))...) // the limits of a head bound it
	}
	if g.state == guardHead {
		g.deadline.begin(g.Conn, g.o.HeaderTimeout)
	}
	n, err := g.Conn.Read(g.buf[g.w:])
	g.w += n
	if n > 0 {
		return nil
	}
	if g.state == guardHead && isTimeout(err) && g.deadline.passed() {
		g.refuse(requestHead{}, faultTimeout)
		g.q = g.w
		g.tidy()
		return nil
	}
	return err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func (g *guardConn) readRaw(p []byte) (int, error) {
	if g.q < g.w {
		n := copy(p, g.buf[g.q:g.w])
		g.q += n
		g.r, g.c = g.q, g.q
		g.tidy()
		return n, nil
	}
	return g.Conn.Read(p)
}

// readEarly serves the read that the server keeps pending during a handler, while it is open whether the handler will
// switch protocols. Nobody can say yet what comes now, so it is kept until the server's next state tells.
func (g *guardConn) readEarly(p []byte) (int, error) {
	for {
		if g.q < g.w && g.w-g.q >= wire.BufferSize {
			return 0, errEager
		}
		if g.q < g.w {
			if err := g.fill(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := g.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		g.keep(p[:n])
	}
}

// readRefusal hands out the request that stands for the refused one. Then it waits for the end of the connection, as
// the server expects of a client that waits for its answer, and drops whatever comes.
func (g *guardConn) readRefusal(p []byte) (int, error) {
	g.refused.Store(true)
	if len(g.stand) > 0 {
		n := copy(p, g.stand)
		g.stand = g.stand[n:]
		return n, nil
	}
	waste := wire.GetBuffer()
	defer wire.PutBuffer(waste)
	for {
		if n, err := g.Conn.Read(waste[:]); n == 0 {
			return 0, err
		}
	}
}

// serverState follows what the server does with the connection.
func (g *guardConn) serverState(state http.ConnState) {
	switch {
	case state == http.StateHijacked && g.state != guardRefused && g.state != guardBroken:
		g.state = guardRaw
	case state == http.StateIdle && g.state == guardUpgrade:
		g.state = guardHead
	}
}

// Unguard returns the connection below a guarded one that a handler has hijacked, so that the kernel can move its bytes;
// or nc itself, if it is none or still holds bytes that were read.
func Unguard(nc net.Conn) net.Conn {
	if g := guarded(nc); g != nil && g.state == guardRaw && g.q == g.w {
		return g.Conn
	}
	return nc
}

// ReadFrom lets the kernel move the bytes of a response, where it can.
func (g *guardConn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := g.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	return io.CopyBuffer(struct{ io.Writer }{g.Conn}, r, buf[:])
}

// CloseWrite ends the writing half, where the connection has halves.
func (g *guardConn) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Close closes the connection. After a refusal it first gives the peer, who may still be sending, time to read the
// answer: closing a socket with unread data in it would take the answer back (RFC 9112 section 9.6).
func (g *guardConn) Close() error {
	if g.refused.Load() && !g.lingered.Swap(true) && g.CloseWrite() == nil {
		g.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		waste := wire.GetBuffer()
		for n, left := 1, lingerBytes; n > 0 && left > 0; left -= n {
			n, _ = g.Conn.Read(waste[:])
		}
		wire.PutBuffer(waste)
	}
	return g.Conn.Close()
}

// SetReadDeadline applies to reads, together with the time limit of an incomplete head.
func (g *guardConn) SetReadDeadline(t time.Time) error { return g.deadline.set(g.Conn, t) }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (g *guardConn) SetDeadline(t time.Time) error {
	return errors.Join(g.deadline.set(g.Conn, t), g.Conn.SetWriteDeadline(t))
}
