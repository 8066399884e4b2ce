package upstream

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

const (
	dialTimeout = 2 * time.Second
	maxIdle     = 256              // connections kept per node
	maxIdleTime = 60 * time.Second // after which a kept one is closed
	// freshIdle is how long a connection may have rested to carry a request that must not be sent twice. Servers close
	// idle connections (Node.js after five seconds), and a close that crosses the request looks like a lost answer.
	freshIdle = time.Second
)

// conns are the kept connections to one node. The one used last is used next, so that the surplus can age and close.
type conns struct {
	address string

	mu     sync.Mutex
	idle   []idleConn // oldest first
	closed bool
}

type idleConn struct {
	*client.Conn
	since time.Duration // since epoch
}

// get returns a kept connection that is still open, or dials. Errors of dialling are *client.Error in stage NotSent.
func (c *conns) get(ctx context.Context, repeatable bool) (*client.Conn, error) {
	for {
		k, ok := c.pop(repeatable)
		if !ok {
			break
		}
		if !k.Stale() {
			return k.Conn, nil
		}
		k.Close()
	}
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, &client.Error{Stage: client.NotSent, Err: err}
	}
	return client.NewConn(nc, nil), nil
}

func (c *conns) pop(repeatable bool) (k idleConn, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return k, false
	}
	k = c.idle[len(c.idle)-1]
	if !repeatable && sinceEpoch()-k.since > freshIdle {
		return k, false
	}
	c.idle[len(c.idle)-1] = idleConn{}
	c.idle = c.idle[:len(c.idle)-1]
	return k, true
}

// put keeps a connection that can carry another request, and closes any other.
func (c *conns) put(k *client.Conn) {
	if !k.Reusable() {
		k.Close()
		return
	}
	now := sinceEpoch()
	var old *client.Conn
	c.mu.Lock()
	switch {
	case c.closed:
		old = k
	case len(c.idle) > 0 && (len(c.idle) >= maxIdle || now-c.idle[0].since > maxIdleTime):
		old = c.idle[0].Conn
		copy(c.idle, c.idle[1:])
		c.idle[len(c.idle)-1] = idleConn{k, now}
	default:
		c.idle = append(c.idle, idleConn{k, now})
	}
	c.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// close closes the kept connections and keeps no more.
func (c *conns) close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, k := range idle {
		k.Close()
	}
}

// exchange sends req on one of the member's connections and returns the head of the answer.
func (m *member) exchange(p *Pool, req *http.Request) (*http.Response, error) {
	if exchange.IsGRPC(req) {
		return p.exchangeGRPC(m, req)
	}
	k, err := m.conns.get(req.Context(), idempotent(req.Method))
	if err != nil {
		return nil, err
	}
	resp, err := k.RoundTrip(req)
	if err != nil {
		k.Close()
		return nil, err
	}
	resp.Request = req
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &connBody{resp.Body, k, m}
	}
	return resp, nil
}

// connBody puts its connection back when it is closed.
type connBody struct {
	inner interface {
		Read([]byte) (int, error)
		Close() error
	}
	conn   *client.Conn
	member *member
}

func (b *connBody) Read(p []byte) (int, error) { return b.inner.Read(p) }

func (b *connBody) Close() error {
	err := b.inner.Close()
	if b.conn != nil {
		b.member.conns.put(b.conn)
		b.conn = nil
	}
	return err
}
