package gateway

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/tenfold-go/tenfold/internal/config"
)

// clientLimit bounds the open connections of each client address, over all listeners. The addresses of one IPv6 network
// /64 count together, because a client usually has all of them. It exempts proxies: their connections carry the requests
// of many clients. While there is no limit, it does not count connections.
type clientLimit struct {
	refused func() // called for each refused connection

	mu      sync.Mutex
	most    int // 0 for no limit
	proxies []netip.Prefix
	open    map[netip.Prefix]int
}

// newClientLimit returns a clientLimit without a limit.
func newClientLimit(refused func()) *clientLimit {
	return &clientLimit{refused: refused, open: map[netip.Prefix]int{}}
}

// set makes the limit that of the configuration. It closes no connection.
func (l *clientLimit) set(cfg *config.Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most, l.proxies = cfg.Limits.ConnectionsPerClient, slices.Concat(cfg.TrustedProxies, cfg.ProxyProtocol)
}

// admit returns the connection, or nil after it has closed the connection because its client has too many. With the
// PROXY protocol, the address of the client comes with the first bytes. A connection is then refused when they are
// read, so that a silent peer does not hold up the others.
func (l *clientLimit) admit(nc net.Conn, proxyProtocol bool) net.Conn {
	l.mu.Lock()
	unlimited := l.most == 0
	l.mu.Unlock()
	if unlimited {
		return nc
	}
	c := &clientConn{Conn: nc, limit: l}
	if proxyProtocol || c.admit() == nil {
		return c
	}
	nc.Close()
	return nil
}

// clientOf returns the network that a connection from the address counts for. It returns false for a proxy.
func (l *clientLimit) clientOf(a net.Addr) (netip.Prefix, bool) {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	addr := ap.Addr().Unmap().WithZone("")
	l.mu.Lock()
	proxies := l.proxies // replaced when they change, never modified
	l.mu.Unlock()
	for _, p := range proxies {
		if p.Contains(addr) {
			return netip.Prefix{}, false
		}
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	client, _ := addr.Prefix(bits)
	return client, true
}

// add counts a connection. It returns false, and does not count it, when the client has too many.
func (l *clientLimit) add(client netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most > 0 && l.open[client] >= l.most {
		l.refused()
		return false
	}
	l.open[client]++
	return true
}

func (l *clientLimit) remove(client netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// clientConn is a connection that counts for its client.
type clientConn struct {
	net.Conn
	limit *clientLimit

	once     sync.Once
	admitted error // the result of admit

	mu      sync.Mutex
	client  netip.Prefix
	counted bool // until Close
	closed  bool
}

var errTooManyConnections = errors.New("the client has too many connections")

// admit counts the connection. It fails when its client has too many.
func (c *clientConn) admit() error {
	c.once.Do(func() {
		client, ok := c.limit.clientOf(c.Conn.RemoteAddr()) // waits for the PROXY header
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case !ok || c.closed:
		case c.limit.add(client):
			c.client, c.counted = client, true
		default:
			c.admitted = &net.OpError{Op: "accept", Net: "tcp", Addr: c.Conn.RemoteAddr(), Err: errTooManyConnections}
		}
	})
	return c.admitted
}

func (c *clientConn) Read(p []byte) (int, error) {
	if err := c.admit(); err != nil {
		c.Close()
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *clientConn) Close() error {
	c.mu.Lock()
	if c.counted {
		c.limit.remove(c.client)
	}
	c.counted, c.closed = false, true
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends the writing half, if the connection has halves.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
