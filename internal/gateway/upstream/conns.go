package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

const (
	dialTimeout = 2 * time.Second
	maxIdle     = 256              // idle connections per node
	maxIdleTime = 60 * time.Second // the pool closes a connection that was idle for longer
	// freshIdle is the longest idle time of a connection that may carry a request that must not be sent twice. Servers
	// close idle connections, for example Node.js after five seconds. When such a close crosses the request, the pool
	// cannot tell it from a lost response.
	freshIdle = time.Second
)

// conns has the idle connections to one node. The connection that was used last is used next, so that surplus
// connections become old and are closed.
type conns struct {
	address         string
	limits          client.Options
	freeDescriptors func() // closes idle connections of all nodes; nil for none

	mu     sync.Mutex
	idle   []idleConn // oldest first
	closed bool
}

type idleConn struct {
	*client.Conn
	since time.Duration // since epoch
}

// roundTrip sends req on an idle or a new connection, and returns the response. The connection becomes idle again when
// the body of the response is closed. Errors are *[client.Error].
func (c *conns) roundTrip(req *http.Request) (*http.Response, error) {
	k, err := c.get(req.Context(), idempotent(req.Method))
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
		resp.Body = &connBody{resp.Body, k, c}
	}
	return resp, nil
}

// get returns an idle connection that is still open, or dials. An error of dialing has the stage NotSent.
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
	if err != nil && shortageOf(err) == "descriptors" && c.freeDescriptors != nil {
		c.freeDescriptors()
		nc, err = d.DialContext(ctx, "tcp", c.address)
	}
	if err != nil {
		return nil, &client.Error{Stage: client.NotSent, Err: err}
	}
	return client.NewConn(nc, &c.limits), nil
}

// pop takes the newest idle connection. For a request that is not repeatable, it takes a fresh connection or none.
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

// put keeps a connection that can carry another request, and closes any other one. It also closes the oldest idle
// connection when that was idle for too long or there are too many.
func (c *conns) put(k *client.Conn) {
	if !k.Reusable() {
		k.Close()
		return
	}
	now := sinceEpoch()
	var surplus *client.Conn
	c.mu.Lock()
	switch {
	case c.closed:
		surplus = k
	case len(c.idle) > 0 && (len(c.idle) >= maxIdle || now-c.idle[0].since > maxIdleTime):
		surplus = c.idle[0].Conn
		copy(c.idle, c.idle[1:])
		c.idle[len(c.idle)-1] = idleConn{k, now}
	default:
		c.idle = append(c.idle, idleConn{k, now})
	}
	c.mu.Unlock()
	if surplus != nil {
		surplus.Close()
	}
}

// close closes the idle connections. Later calls of put close their connections, too.
func (c *conns) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.closeIdle()
}

// closeIdle closes the idle connections.
func (c *conns) closeIdle() {
	c.mu.Lock()
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	for _, k := range idle {
		k.Close()
	}
}

// connBody is the body of a response. Close gives its connection back.
type connBody struct {
	io.ReadCloser
	conn  *client.Conn // nil after Close
	conns *conns
}

func (b *connBody) Close() error {
	err := b.ReadCloser.Close()
	if b.conn != nil {
		b.conns.put(b.conn)
		b.conn = nil
	}
	return err
}
