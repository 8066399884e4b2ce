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

// readProxyHeader returns the connection with the address of the client from the PROXY header. It requires the header
// from the given peers. It closes a connection of any other peer, and returns nil.
func readProxyHeader(nc net.Conn, peers []netip.Prefix, timeout time.Duration, log *slog.Logger) net.Conn {
	ap, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		nc.Close()
		return nil
	}
	expected := proxyproto.REJECT
	for _, p := range peers {
		if p.Contains(ap.Addr().Unmap().WithZone("")) {
			expected = proxyproto.REQUIRE
		}
	}
	c := proxyproto.NewConn(nc, proxyproto.WithPolicy(expected), proxyproto.SetReadHeaderTimeout(timeout))
	return &proxyConn{c, log}
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
