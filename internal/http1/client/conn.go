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

// Options are the limits of a connection's responses. The zero value, and nil, mean the defaults.
type Options struct {
	MaxHeaderBytes int // of one response head, in bytes; default 64 KiB
	MaxHeaderLines int // of one response head; default 256
}

// Conn is a client connection that carries one message after another. Its methods, and those of the response body, are
// for one goroutine at a time; only Close may be called at any time. To interrupt a message, end its request's context.
//
// A message that fails closes the connection. One that ends well leaves it Reusable, or closes it as well.
type Conn struct {
	nc     net.Conn
	raw    syscall.RawConn // for Stale; nil when nc is not a socket
	peek   peeker
	closed atomic.Bool

	busy   bool // a message is in progress
	broken bool // no further message may follow

	interrupt func()      // ends every read and write in progress
	limits    wire.Limits // of a response head

	// Buffer and parser are borrowed for a message and given back after it, so that an idle connection holds none.
	pooled *[wire.BufferSize]byte
	buf    []byte
	r, w   int // buf[r:w] came in and is not used yet
	head   *wire.HeadParser
	in     content
}

// past is a deadline that ends every read and write at once.
var past = time.Unix(1, 0)

// NewConn makes a client connection of one that is dialled, and handshaken if it is TLS. It starts nothing.
func NewConn(nc net.Conn, o *Options) *Conn {
	if o == nil {
		o = &Options{}
	}
	return &Conn{
		nc:        nc,
		raw:       rawConn(nc),
		interrupt: func() { nc.SetDeadline(past) },
		limits:    wire.Limits{Bytes: orDefault(o.MaxHeaderBytes, 64<<10), Lines: orDefault(o.MaxHeaderLines, 256)},
	}
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// RoundTrip sends the request and returns when the head of the final response is there. It follows the contract of
// http.RoundTripper, except that it follows no redirect, adds no field of its own choice (no User-Agent, no
// Accept-Encoding) and never tries twice.
//
// The request is written from its parsed form: req.Method, req.URL's path and query, req.Host or else req.URL.Host, and
// req.Header without the fields that belong to this connection (Connection and what comes with it; Upgrade passes when
// Connection names it, and so does TE). A request that cannot be written in one unmistakable way fails as NotSent. A
// body whose length is in req.ContentLength is sent with it, any other is chunked and followed by req.Trailer.
// A body that is in memory and small is written together with the head. Any other is sent by a goroutine, so that the
// response is read as soon as it comes, even in the middle of the upload. req.Body is closed in every case, possibly
// after RoundTrip returned.
//
// Interim responses go to the Got1xxResponse hook of the context's httptrace.ClientTrace. The body of a 101 response is
// an io.ReadWriteCloser over the raw connection, and no longer governed by the context.
//
// Each error is an *Error. Closing the response body before its end closes the connection, unless all the rest has
// arrived already; Close never waits for the peer.
func (c *Conn) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if c.busy || c.broken || c.closed.Load() {
		closeBody(req)
		return nil, &Error{NotSent, errNotReusable}
	}
	if ctx.Err() != nil {
		closeBody(req)
		return nil, &Error{NotSent, ended(ctx)}
	}
	c.borrow()
	out, plan, err := appendRequest(c.buf[:0], req)
	if err != nil {
		c.giveBack()
		closeBody(req)
		return nil, &Error{NotSent, err}
	}
	c.busy = true
	m := &message{c: c, ctx: ctx, req: req, plan: plan}
	if ctx.Done() != nil {
		m.stop = context.AfterFunc(ctx, c.interrupt)
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

// Reusable reports whether another message may follow: the last one ended cleanly on both sides, the peer wants to keep
// the connection, and nothing came that was not asked for. It does not touch the socket; see Stale for that.
func (c *Conn) Reusable() bool {
	return !c.busy && !c.broken && !c.closed.Load()
}

// Stale reports whether the peer closed an idle connection, or sent something that nobody asked for. It looks at the
// socket without waiting and costs one system call. What it does not see can still happen a moment later.
func (c *Conn) Stale() bool {
	return !c.Reusable() || c.raw != nil && c.peek.stale(c.raw)
}

// Close closes the connection, which interrupts whatever is in progress.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.nc.Close()
}

func (c *Conn) borrow() {
	c.pooled = wire.GetBuffer()
	c.buf, c.r, c.w = c.pooled[:], 0, 0
	c.head = wire.GetParser()
}

func (c *Conn) giveBack() {
	wire.PutBuffer(c.pooled)
	wire.PutParser(c.head)
	c.pooled, c.buf, c.head = nil, nil, nil
	c.r, c.w = 0, 0
}

// finish ends a message: cleanly, or for good.
func (c *Conn) finish(clean bool) {
	if !clean || c.r != c.w {
		c.broken = true
		c.Close()
	}
	c.busy = false
	c.giveBack()
}

// fill reads once more into the buffer, making room first. Only a head can need more room than the buffer has.
func (c *Conn) fill() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for range 100 {
		n, err := c.nc.Read(c.buf[c.w:])
		c.w += n
		if n > 0 {
			return nil // an error that came with data comes again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
