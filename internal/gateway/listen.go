package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/guard"
)

// ListenError is an address that cannot be listened on.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("listen on %s: %v", e.Address, unwrapped(e.Err))
}
func (e *ListenError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "something else has this port; choose another one with --listen or listen: in the file, or see who has it: ss -ltnp"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address; :8080 listens on all that it has"
	case errors.Is(e.Err, syscall.EACCES):
		return "ports below 1024 need a privilege: choose another one, or setcap cap_net_bind_service=+ep on the tenfold binary"
	}
	return "use host:port or :port, for example :8080"
}

// unwrapped drops net's "listen tcp :8080:" before the reason.
func unwrapped(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// listen opens one address, with everything that stands between the socket and net/http.
func listen(address string, cfg *config.Config, certificates *tls.Config, logger *slog.Logger) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{address, err}
	}
	l = &stallListener{l, cfg.Limits.WriteTimeout}
	if len(cfg.ProxyProtocol) > 0 {
		l = newProxyListener(l, cfg.ProxyProtocol, cfg.Limits.HeaderTimeout, logger)
	}
	o := &guard.Options{
		MaxHeaderBytes: cfg.Limits.HeaderBytes, MaxHeaderLines: cfg.Limits.HeaderLines, MaxTarget: cfg.Limits.URIBytes,
		HeaderTimeout: cfg.Limits.HeaderTimeout, KeepUnderscores: cfg.Limits.Underscores, AllowH2C: cfg.H2C,
	}
	if certificates == nil {
		return guard.NewListener(l, o), nil
	}
	return guard.NewTLSListener(l, certificates, o, func(nc net.Conn, err error) { // anybody can cause these
		logger.Debug("tls handshake failed", "peer", nc.RemoteAddr().String(), "err", err)
	}), nil
}

// newServer is net/http with our limits.
func newServer(cfg *config.Config, h http.Handler, logger *slog.Logger) *http.Server {
	s := &http.Server{
		Handler: h,
		// The guard ends a slow header with an answer. This is for connections on which nothing comes at all, and twice
		// as long so that it does not come first.
		ReadHeaderTimeout: 2 * cfg.Limits.HeaderTimeout,
		IdleTimeout:       cfg.Limits.IdleTimeout,
		MaxHeaderBytes:    cfg.Limits.HeaderBytes,
		ErrorLog:          log.New(serverLog{logger}, "", 0),
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100, WriteByteTimeout: cfg.Limits.WriteTimeout},

		DisableGeneralOptionsHandler: true, // OPTIONS * is a request like others
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(cfg.TLS != nil)
	s.Protocols.SetUnencryptedHTTP2(cfg.H2C && cfg.TLS == nil)
	return s
}

// serverLog turns what net/http has to say into debug records: any client can cause them. A panic is our own.
type serverLog struct{ *slog.Logger }

func (l serverLog) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(p, []byte("http: panic")) || bytes.HasPrefix(p, []byte("http2: panic")) {
		level = slog.LevelError
	}
	l.Log(context.Background(), level, "server", "message", string(p[:max(0, len(p)-1)]))
	return len(p), nil
}

// stallListener's connections give up on a peer that takes nothing for a while.
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

// stallConn sets a write deadline before a write, unless a recent one is far enough ahead: a stall is noticed between
// three quarters of the timeout and all of it.
type stallConn struct {
	net.Conn
	timeout time.Duration
	set     atomic.Int64 // when the deadline was last set, UnixNano
}

func (c *stallConn) Write(p []byte) (int, error) {
	now := time.Now()
	if now.UnixNano()-c.set.Load() > int64(c.timeout/4) {
		c.set.Store(now.UnixNano())
		c.Conn.SetWriteDeadline(now.Add(c.timeout))
	}
	return c.Conn.Write(p)
}

// SetDeadline and SetWriteDeadline are net/http's and TLS's own: they win until they are cleared.
func (c *stallConn) SetDeadline(t time.Time) error {
	c.set.Store(0)
	return c.Conn.SetDeadline(t)
}

func (c *stallConn) SetWriteDeadline(t time.Time) error {
	c.set.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite ends the writing half, where the connection has halves.
func (c *stallConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
