package guard

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Times after the peer has ended its sending side while its request is handled.
const (
	endTick     = 100 * time.Millisecond // between two looks at the socket
	endConfirm  = time.Second            // a write without a reset for this long shows that the peer still reads
	endPatience = 3 * time.Second        // for a response that has not begun; then an interim response tests the peer
)

// halfClosed is the state of a connection whose peer has ended its sending side. TCP does not tell whether the peer
// still reads: a peer that has closed its socket resets the connection at the next data.
type halfClosed struct{ wake chan struct{} }

// awaitEnd is called instead of returning io.EOF to the server, which would cancel the request. It returns io.EOF when
// the peer is gone, and the error of a timeout when the server ends the read. A peer that has half-closed its
// connection gets its response.
//
// The peer is gone when the connection is reset. To provoke the reset, the response must be written. If it has not
// begun in time, awaitEnd writes an interim response, which every client of HTTP/1.1 has to ignore (RFC 9110 section
// 15.2). If it has begun before and nothing more is written, as on a stream of events, the peer counts as gone.
func (c *conn) awaitEnd() error {
	raw := rawConn(c.Conn)
	if raw == nil {
		return io.EOF
	}
	h := &halfClosed{wake: make(chan struct{}, 1)}
	c.half.Store(h)
	defer c.half.Store(nil)
	tick := time.NewTicker(endTick)
	defer tick.Stop()

	ended, begun, before := time.Now(), c.responding.Load(), c.writes.Load()
	var wrote time.Time // when the first write after the end was noticed
	for !c.deadline.serverPassed() {
		now := time.Now()
		switch confirmed := !wrote.IsZero() && now.Sub(wrote) >= endConfirm; {
		case isReset(raw):
			return io.EOF
		case confirmed:
		case wrote.IsZero() && c.writes.Load() != before:
			wrote = now
		case begun && wrote.IsZero() && now.Sub(ended) >= endConfirm:
			return io.EOF
		case !begun && wrote.IsZero() && now.Sub(ended) >= endPatience:
			c.testPeer()
		}
		select {
		case <-h.wake:
		case <-tick.C:
		}
	}
	return os.ErrDeadlineExceeded
}

// testPeer writes an interim response, unless the response has begun or the client speaks HTTP/1.0.
func (c *conn) testPeer() {
	if c.filter.minor == 0 || !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if !c.responding.Load() {
		c.Conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
		c.writes.Add(1)
	}
}

// noteWrite notes that a part of a response is about to be written.
func (c *conn) noteWrite(p []byte) {
	c.writes.Add(1)
	if !c.responding.Load() && !bytes.HasPrefix(p, []byte("HTTP/1.1 1")) {
		c.responding.Store(true)
	}
}

// wakeHalfClosed makes awaitEnd look at the deadline.
func (c *conn) wakeHalfClosed() {
	if h := c.half.Load(); h != nil {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
}

// responseState is what awaitEnd has to know about the response.
type responseState struct {
	handling   atomic.Bool  // the server handles a request
	responding atomic.Bool  // the final response has begun
	writes     atomic.Int64 // counts
	half       atomic.Pointer[halfClosed]
}

func (s *responseState) serverState(state http.ConnState) {
	s.handling.Store(state == http.StateActive)
	if state == http.StateActive {
		s.responding.Store(false)
	}
}

// rawConn returns the socket below nc, or nil if there is no socket.
func rawConn(nc net.Conn) syscall.RawConn {
	for {
		switch c := nc.(type) {
		case *tls.Conn:
			nc = c.NetConn()
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		case interface{ Raw() net.Conn }: // of the PROXY protocol
			nc = c.Raw()
		case syscall.Conn:
			raw, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		default:
			return nil
		}
	}
}
