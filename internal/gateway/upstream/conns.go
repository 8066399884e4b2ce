package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

const (
	dialTimeout = 2 * time.Second
	maxIdle     = 256 // idle connections per node
	// freshIdle is the longest idle time of a connection that may carry a request that must not be sent twice. Servers
	// close idle connections, for example Node.js after five seconds. When such a close crosses the request, the pool
	// cannot tell it from a lost response.
	freshIdle = time.Second
)

// conns has the idle connections to one node. The connection that was used last is used next, so that surplus
// connections become old. The pool then closes them.
type conns struct {
	dial   func(context.Context) (net.Conn, error)
	limits func() *client.Options

	mu     sync.Mutex
	idle   []idleConn // oldest first
	age    int        // grows with each call of renew
	closed bool
}

// openConn is a connection to the node.
type openConn struct {
	*client.Conn
	age int // conns.age when it was dialed
}

type idleConn struct {
	openConn
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
		resp.Body = &connBody{ReadCloser: resp.Body, conn: k, conns: c}
	}
	return resp, nil
}

// get returns an idle connection that is still open, or dials. An error of dialing has the stage NotSent.
func (c *conns) get(ctx context.Context, repeatable bool) (openConn, error) {
	for {
		k, ok := c.pop(repeatable)
		if !ok {
			break
		}
		if !k.Stale() {
			return k.openConn, nil
		}
		k.Close()
	}
	c.mu.Lock()
	age := c.age
	c.mu.Unlock()
	nc, err := c.dial(ctx)
	if err != nil {
		return openConn{}, &client.Error{Stage: client.NotSent, Err: err}
	}
	return openConn{client.NewConn(nc, c.limits()), age}, nil
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

// put keeps a connection that can carry another request, and closes any other one. When there are too many, it closes the
// oldest one.
func (c *conns) put(k openConn) {
	if !k.Reusable() {
		k.Close()
		return
	}
	now := sinceEpoch()
	var surplus *client.Conn
	c.mu.Lock()
	switch {
	case c.closed || k.age != c.age:
		surplus = k.Conn
	case len(c.idle) >= maxIdle:
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

// closeOlder closes the connections that were idle for longer than limit.
func (c *conns) closeOlder(limit time.Duration) {
	now := sinceEpoch()
	c.mu.Lock()
	n := 0
	for n < len(c.idle) && now-c.idle[n].since > limit {
		n++
	}
	old := slices.Clone(c.idle[:n])
	c.idle = slices.Delete(c.idle, 0, n)
	c.mu.Unlock()
	closeAll(old)
}

// closeIdle closes the idle connections.
func (c *conns) closeIdle() { c.closeOlder(-1) }

// renew closes the idle connections. A connection that carries a request now is closed after that request.
func (c *conns) renew() {
	c.mu.Lock()
	c.age++
	c.mu.Unlock()
	c.closeIdle()
}

// close is closeIdle for a node that gets no more requests. Later calls of put close their connections, too.
func (c *conns) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.closeIdle()
}

func closeAll(idle []idleConn) {
	for _, k := range idle {
		k.Close()
	}
}

// connBody is the body of a response. Close gives its connection back.
type connBody struct {
	io.ReadCloser
	conn   openConn
	conns  *conns
	closed bool
}

func (b *connBody) Close() error {
	err := b.ReadCloser.Close()
	if !b.closed {
		b.conns.put(b.conn)
		b.closed = true
	}
	return err
}
