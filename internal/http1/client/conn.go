package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Options are the limits for responses on a connection. The zero value, and nil, mean the defaults.
type Options struct {
	MaxHeaderBytes int // of one response head; default 64 KiB
	MaxHeaderLines int // of one response head; default 256
}

// Conn is a client connection that carries one message after another. Only one goroutine at a time may call its methods
// and those of the response body, except Close. To interrupt a message, cancel the context of its request.
//
// A message that fails closes the connection. A message that succeeds leaves the connection Reusable or closes it.
type Conn struct {
	nc     net.Conn
	raw    syscall.RawConn // for Stale; nil if nc is not a socket
	peek   peeker
	closed atomic.Bool

	busy     bool // a message is in progress
	broken   bool // no further message may follow
	answered bool // a byte has arrived since the last message began

	interrupt func() // ends every read and write in progress
	limits    wire.Limits

	// A message takes buffer and parser from a pool and returns them at its end, so that an idle connection has none.
	pooled *[wire.BufferSize]byte
	buf    []byte
	r, w   int // buf[r:w] is read from the connection and not used yet
	head   *wire.HeadParser
	body   bodyDecoder
}

// expired is a deadline that ends every read and write at once.
var expired = time.Unix(1, 0)

// NewConn returns a client connection over nc, which is connected and, for TLS, past its handshake. It starts no
// goroutine.
func NewConn(nc net.Conn, o *Options) *Conn {
	if o == nil {
		o = &Options{}
	}
	return &Conn{
		nc:        nc,
		raw:       rawConn(nc),
		interrupt: func() { nc.SetDeadline(expired) },
		limits:    wire.Limits{Bytes: orDefault(o.MaxHeaderBytes, 64<<10), Lines: orDefault(o.MaxHeaderLines, 256)},
	}
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// RoundTrip sends the request and returns after it has read the head of the final response. It follows the contract of
// http.RoundTripper. It follows no redirect, adds no User-Agent or Accept-Encoding, and never retries.
//
// It writes the request from its parsed form: req.Method, the path and query of req.URL, req.Host or else req.URL.Host,
// and req.Header without the fields of the connection. It sends Upgrade if Connection names it, and TE. A request that
// has no unambiguous form fails with NotSent.
//
// A body of length req.ContentLength is sent with that length. Any other body is chunked, and req.Trailer follows it. A
// small body in memory is written together with the head. A goroutine sends any other body, so that RoundTrip can
// return the response during the upload. RoundTrip always closes req.Body, possibly after it has returned.
//
// Interim responses go to the Got1xxResponse hook of httptrace.ClientTrace in the context. The body of a 101 response
// is an io.ReadWriteCloser over the raw connection. The context of the request no longer affects it.
//
// Each error is an *Error. Closing the response body before its end closes the connection, unless the rest of the body
// has arrived already. Close of the body never waits for the peer.
func (c *Conn) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if !c.Reusable() {
		closeBody(req)
		return nil, &Error{NotSent, errNotReusable}
	}
	if ctx.Err() != nil {
		closeBody(req)
		return nil, &Error{NotSent, contextError(ctx)}
	}
	c.acquireBuffers()
	out, info, err := appendRequest(c.buf[:0], req)
	if err != nil {
		c.releaseBuffers()
		closeBody(req)
		return nil, &Error{NotSent, err}
	}
	c.busy, c.answered = true, false
	m := &message{c: c, req: req, info: info}
	if ctx.Done() != nil {
		m.stopWatch = context.AfterFunc(ctx, c.interrupt)
	}
	if err := m.send(out); err != nil {
		return nil, err
	}
	return m.receive()
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// Reusable reports whether the connection can carry another message: the last message ended cleanly on both sides, the
// peer keeps the connection open, and no unexpected bytes came. It does not look at the socket; see Stale.
func (c *Conn) Reusable() bool {
	return !c.busy && !c.broken && !c.closed.Load()
}

// Answered reports whether any byte has arrived since the last message began. After a message that failed on a connection
// that carried messages before, false means that the peer probably closed the idle connection at the same moment.
func (c *Conn) Answered() bool { return c.answered }

// Stale reports whether the peer closed the idle connection or sent unexpected bytes. It looks at the socket without
// waiting, at the cost of one system call. The peer can still close the connection a moment later.
func (c *Conn) Stale() bool {
	return !c.Reusable() || c.raw != nil && c.peek.readable(c.raw)
}

// Close closes the connection. It interrupts a message in progress.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.nc.Close()
}

func (c *Conn) acquireBuffers() {
	c.pooled = wire.GetBuffer()
	c.buf, c.r, c.w = c.pooled[:], 0, 0
	c.head = wire.GetParser()
}

func (c *Conn) releaseBuffers() {
	wire.PutBuffer(c.pooled)
	wire.PutParser(c.head)
	c.pooled, c.buf, c.head = nil, nil, nil
	c.r, c.w = 0, 0
}

// endMessage ends the message in progress. It closes the connection unless the message ended cleanly.
func (c *Conn) endMessage(clean bool) {
	if !clean || c.r != c.w {
		c.broken = true
		c.Close()
	}
	c.busy = false
	c.releaseBuffers()
}

// fill reads once more into the buffer, after moving unused bytes to its front. It grows the buffer if it is full,
// which happens only for a large head.
func (c *Conn) fill() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for range maxEmptyReads {
		n, err := c.nc.Read(c.buf[c.w:])
		c.w += n
		if n > 0 {
			c.answered = true
			return nil // the next read returns an error that came with data
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// maxEmptyReads is how many reads in sequence may return neither data nor an error.
const maxEmptyReads = 100
