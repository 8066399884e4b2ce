package std

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limit bounds the open connections of engines, over all their listeners. At the limit, a new connection waits, and
// each one that waits makes the limit close the longest idle connection: one on which nothing has arrived, or one that
// waits for its next request. Connections with a request, or with a part of one, are never closed.
type Limit struct {
	options LimitOptions
	freed   chan struct{} // capacity 1: a slot may have become free

	mu    sync.Mutex
	most  int // open connections at a time; 0 for no limit
	taken int // slots: one for each open connection
	open  map[*limitedConn]struct{}

	shortageLogged time.Time // when an error of Accept was last logged; guarded by mu
}

// LimitOptions are required.
type LimitOptions struct {
	Log     *slog.Logger
	Waited  func() // called when a connection has to wait
	Evicted func() // called when an idle connection is closed for a new one
}

const (
	// silentAtLeast and idleAtLeast are how long a connection must be without a request before the limit may close it. A new
	// connection needs some time until its first byte arrives. The end of a response may still be on its way.
	silentAtLeast = 500 * time.Millisecond
	idleAtLeast   = 100 * time.Millisecond
	idleSample    = 1000 // how many connections are looked at to find the longest idle one
	limitPoll     = 50 * time.Millisecond
	acceptLogging = 10 * time.Second // the least time between two records of an error of Accept
)

// NewLimit returns a Limit of that many open connections; 0 for no limit.
func NewLimit(most int, o *LimitOptions) *Limit {
	return &Limit{options: *o, most: most, freed: make(chan struct{}, 1), open: make(map[*limitedConn]struct{})}
}

// Set changes the limit. It closes no connection: when more are open, the next ones wait.
func (l *Limit) Set(most int) {
	l.mu.Lock()
	l.most = most
	l.mu.Unlock()
	l.reportFreed()
}

// take takes a slot, if there is a free one.
func (l *Limit) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most > 0 && l.taken >= l.most {
		return false
	}
	l.taken++
	return true
}

func (l *Limit) reportFreed() {
	select {
	case l.freed <- struct{}{}:
	default: // a waiting connection is going to look already
	}
}

// listener returns a listener whose connections count.
func (l *Limit) listener(inner net.Listener) net.Listener {
	return &limitListener{Listener: inner, limit: l, closed: make(chan struct{})}
}

type limitListener struct {
	net.Listener
	limit     *Limit
	closed    chan struct{}
	closeOnce sync.Once
}

// Accept waits for the next connection, and then for a slot for it. It handles a shortage of descriptors or memory itself:
// it closes the longest idle connection and tries again after a pause.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil && l.limit.acquire(l.closed):
			return l.limit.add(nc), nil
		case err == nil:
			nc.Close()
			return nil, net.ErrClosed
		case !isShortage(err):
			return nil, err
		}
		l.limit.shortage(err)
		select {
		case <-time.After(limitPoll):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

func (l *limitListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// isShortage reports whether err says that the process or the machine lacks descriptors or memory.
func isShortage(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// shortage logs an error of Accept, and closes the longest idle connection.
func (l *Limit) shortage(err error) {
	l.mu.Lock()
	quiet := !l.shortageLogged.IsZero() && time.Since(l.shortageLogged) < acceptLogging
	if !quiet {
		l.shortageLogged = time.Now()
	}
	l.mu.Unlock()
	if !quiet {
		l.options.Log.LogAttrs(context.Background(), slog.LevelError, "listener does not accept connections", slog.Any("err", err))
	}
	l.closeIdlest()
}

// acquire takes a slot. It returns false when closed is closed first.
func (l *Limit) acquire(closed <-chan struct{}) bool {
	if l.take() {
		return true
	}
	l.options.Waited()
	poll := time.NewTicker(limitPoll)
	defer poll.Stop()
	for {
		l.closeIdlest()
		if l.take() {
			return true
		}
		select {
		case <-l.freed:
		case <-poll.C:
		case <-closed:
			return false
		}
		if l.take() {
			return true
		}
	}
}

func (l *Limit) add(nc net.Conn) net.Conn {
	c := &limitedConn{Conn: nc, limit: l}
	c.idleSince.Store(time.Now().UnixNano())
	l.mu.Lock()
	l.open[c] = struct{}{}
	l.mu.Unlock()
	return c
}

func (l *Limit) remove(c *limitedConn) {
	l.mu.Lock()
	delete(l.open, c)
	l.taken--
	l.mu.Unlock()
	l.reportFreed()
}

// closeIdlest closes the connection that has been idle for the longest time, if there is an idle one.
func (l *Limit) closeIdlest() {
	now := time.Now()
	var idlest *limitedConn
	longest := time.Duration(0)
	l.mu.Lock()
	left := idleSample
	for c := range l.open { // in random order
		if d := c.idle(now); d > longest {
			idlest, longest = c, d
		}
		if left--; left == 0 {
			break
		}
	}
	l.mu.Unlock()
	if idlest != nil {
		l.options.Evicted()
		idlest.Close()
	}
}

// limitedConn is a connection that counts. It knows whether it is idle: net/http tells it about requests, and it sees itself
// whether a part of a request has arrived.
type limitedConn struct {
	net.Conn
	limit  *Limit
	closed atomic.Bool

	busy      atomic.Bool  // net/http works on a request
	served    atomic.Bool  // the first request has ended
	idleSince atomic.Int64 // when it was accepted, ended its TLS handshake or its last request, in Unix nanoseconds
	received  atomic.Bool  // something has arrived since then
	http2     atomic.Bool  // what arrives may be no request
}

// idle returns for how long the connection has been idle, or 0 when it is not or not for long enough.
func (c *limitedConn) idle(now time.Time) time.Duration {
	if c.busy.Load() || c.received.Load() && !c.http2.Load() {
		return 0
	}
	atLeast := silentAtLeast
	if c.served.Load() {
		atLeast = idleAtLeast
	}
	if d := time.Duration(now.UnixNano() - c.idleSince.Load()); d >= atLeast {
		return d
	}
	return 0
}

// connState notes a new state of the connection, which is nc for net/http.
func (c *limitedConn) connState(nc net.Conn, s http.ConnState) {
	switch s {
	case http.StateActive, http.StateHijacked:
		c.busy.Store(true)
		return
	case http.StateNew:
		if t, ok := nc.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol == "h2" {
			c.http2.Store(true)
		}
	case http.StateIdle:
		c.served.Store(true)
	case http.StateClosed:
		return
	}
	c.idleSince.Store(time.Now().UnixNano())
	c.received.Store(false)
	c.busy.Store(false)
}

func (c *limitedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.received.Load() {
		c.received.Store(true)
	}
	return n, err
}

// Close closes the connection and gives its slot back.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	if !c.closed.Swap(true) {
		c.limit.remove(c)
	}
	return err
}

// CloseWrite ends the writing half, if the connection has halves.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection below.
func (c *limitedConn) NetConn() net.Conn { return c.Conn }

// limited returns the limitedConn below nc, or nil in a test without one.
func limited(nc net.Conn) *limitedConn {
	for {
		switch c := nc.(type) {
		case *limitedConn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}
