package std

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// stallListener's connections fail when the peer takes no data for the timeout.
type stallListener struct {
	net.Listener
	timeout time.Duration
}

func (l *stallListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil || l.timeout <= 0 {
		return nc, err
	}
	return &stallConn{Conn: nc, timeout: l.timeout}, nil
}

// stallConn sets a write deadline before a write, unless the last one that it set is recent. It therefore finds a stall
// after three quarters of the timeout at the earliest, and after the whole timeout at the latest.
type stallConn struct {
	net.Conn
	timeout time.Duration
	set     atomic.Int64 // when the deadline was last set, in Unix nanoseconds
}

func (c *stallConn) Write(p []byte) (int, error) {
	now := time.Now()
	if now.UnixNano()-c.set.Load() > int64(c.timeout/4) {
		c.set.Store(now.UnixNano())
		c.Conn.SetWriteDeadline(now.Add(c.timeout))
	}
	return c.Conn.Write(p)
}

// SetDeadline sets a deadline of net/http or TLS. It applies until the next write that sets one.
func (c *stallConn) SetDeadline(t time.Time) error {
	c.set.Store(0)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline sets a deadline of net/http or TLS. It applies until the next write that sets one.
func (c *stallConn) SetWriteDeadline(t time.Time) error {
	c.set.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// NetConn returns the connection below.
func (c *stallConn) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the writing half, if the connection has halves.
func (c *stallConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// stallWriter resets an HTTP/2 stream whose client takes no data for the timeout. A client can stall one stream, by
// giving it no window, while the connection is alive. Over HTTP/1, stallConn does this for the connection.
//
// It uses a timer, because a write deadline of net/http would cost two messages to the connection's goroutine per
// write.
type stallWriter struct {
	http.ResponseWriter
	conn    http.ResponseController
	timeout time.Duration
	timer   *time.Timer

	mu    sync.Mutex
	start time.Time // of the write in progress; zero: none. Guarded, because the stream must not be used after its handler
}

func newStallWriter(w http.ResponseWriter, timeout time.Duration) *stallWriter {
	return &stallWriter{ResponseWriter: w, conn: *http.NewResponseController(w), timeout: timeout}
}

// Unwrap lets http.ResponseController reach the writer below.
func (s *stallWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *stallWriter) Write(p []byte) (int, error) {
	s.begin()
	defer s.end()
	return s.ResponseWriter.Write(p)
}

// FlushError is called by http.ResponseController.
func (s *stallWriter) FlushError() error {
	s.begin()
	defer s.end()
	return s.conn.Flush()
}

func (s *stallWriter) begin() {
	s.mu.Lock()
	s.start = time.Now()
	s.mu.Unlock()
	if s.timer == nil {
		s.timer = time.AfterFunc(s.timeout, s.expired)
	} else {
		s.timer.Reset(s.timeout)
	}
}

func (s *stallWriter) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Lock()
	s.start = time.Time{}
	s.mu.Unlock()
}

// handlerDone sets a deadline for the last write, which net/http makes after the handler has returned.
func (s *stallWriter) handlerDone() {
	s.end()
	s.conn.SetWriteDeadline(time.Now().Add(s.timeout))
}

func (s *stallWriter) expired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.start.IsZero() && time.Since(s.start) >= s.timeout {
		s.conn.SetWriteDeadline(past)
	}
}
