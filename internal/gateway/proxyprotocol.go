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

// proxyListener takes the client's address from the PROXY header of the peers that have to send one.
type proxyListener struct {
	proxyproto.Listener
	log *slog.Logger
}

func newProxyListener(l net.Listener, peers []netip.Prefix, timeout time.Duration, log *slog.Logger) net.Listener {
	return &proxyListener{proxyproto.Listener{Listener: l, ConnPolicy: requireFrom(peers), ReadHeaderTimeout: timeout}, log}
}

// requireFrom demands the PROXY header from the named peers, and takes it from nobody else.
func requireFrom(peers []netip.Prefix) proxyproto.ConnPolicyFunc {
	return func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		ap, err := netip.ParseAddrPort(o.Upstream.String())
		if err != nil {
			return proxyproto.REJECT, proxyproto.ErrInvalidUpstream // any other error would end the listener
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

// proxyConn fails on a header that is missing, wrong or not allowed as a broken connection does, so that net/http closes
// it without a word: whoever cannot speak the protocol would not understand one.
type proxyConn struct {
	*proxyproto.Conn
	log *slog.Logger
}

func (c *proxyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil || err == io.EOF || errors.As(err, new(net.Error)) {
		return n, err
	}
	level := slog.LevelDebug // anybody can send a header
	if c.ProxyHeaderPolicy == proxyproto.REQUIRE {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "proxy header refused", "peer", c.Raw().RemoteAddr().String(), "err", err)
	return n, &net.OpError{Op: "read", Net: "tcp", Source: c.Raw().LocalAddr(), Addr: c.Raw().RemoteAddr(), Err: err}
}

// CloseWrite ends the writing half, where the connection has halves.
func (c *proxyConn) CloseWrite() error {
	if half, ok := c.Raw().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
