package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// proxyListener reads the address of the client from the PROXY header, which the configured peers must send.
type proxyListener struct {
	proxyproto.Listener
	log *slog.Logger
}

func newProxyListener(l net.Listener, peers []netip.Prefix, timeout time.Duration, log *slog.Logger) net.Listener {
	inner := proxyproto.Listener{Listener: l, ConnPolicy: requireFrom(peers), ReadHeaderTimeout: timeout}
	return &proxyListener{inner, log}
}

// requireFrom requires the PROXY header from the given peers, and rejects it from all others.
func requireFrom(peers []netip.Prefix) proxyproto.ConnPolicyFunc {
	return func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		ap, err := netip.ParseAddrPort(o.Upstream.String())
		if err != nil {
			return proxyproto.REJECT, proxyproto.ErrInvalidUpstream // any other error would stop the listener
		}
		for _, p := range peers {
			if p.Contains(ap.Addr().Unmap().WithZone("")) {
				return proxyproto.REQUIRE, nil
			}
		}
		return proxyproto.REJECT, nil
	}
}

func (l *proxyListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &proxyConn{nc.(*proxyproto.Conn), l.log}, nil
}

// proxyConn treats a header that is missing, malformed or not allowed as a network error. The engine then closes the
// connection without a response, which the peer could not understand.
type proxyConn struct {
	*proxyproto.Conn
	log *slog.Logger
}

func (c *proxyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil || err == io.EOF || errors.As(err, new(net.Error)) {
		return n, err
	}
	level := slog.LevelDebug // any client can send a header
	if c.ProxyHeaderPolicy == proxyproto.REQUIRE {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "proxy header refused", "peer", c.Raw().RemoteAddr().String(), "err", err)
	return n, &net.OpError{Op: "read", Net: "tcp", Source: c.Raw().LocalAddr(), Addr: c.Raw().RemoteAddr(), Err: err}
}

// CloseWrite ends the writing half, if the connection has halves.
func (c *proxyConn) CloseWrite() error {
	if half, ok := c.Raw().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
