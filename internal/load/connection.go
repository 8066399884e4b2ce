package load

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// connection is the HTTP/1.1 connection of one user. It is made when it is needed.
type connection struct {
	conn     *client.Conn
	nc       net.Conn
	unwatch  func() bool   // ends the watch of the context
	deadline time.Duration // when the deadline was set
	used     time.Duration // when a request was last prepared
}

// maxUnchecked is how long a connection may be idle and be used again without a check whether the target has closed it.
const maxUnchecked = time.Second

// prepare makes sure that a request can be sent and that it ends within its timeout. A new connection is closed when
// ctx ends. It fails if the target cannot be reached.
func (c *connection) prepare(ctx context.Context, r *run, now time.Duration) error {
	if c.conn != nil && (!c.conn.Reusable() || now-c.used > maxUnchecked && c.conn.Stale()) {
		c.close()
	}
	if c.conn == nil {
		if err := c.dial(ctx, r); err != nil {
			return err
		}
	}
	c.used = now
	// Setting a deadline is expensive, so one deadline is kept for a tenth of the timeout. Requests may time out that
	// much earlier.
	if c.deadline == 0 || now-c.deadline > r.options.Timeout/10 {
		c.deadline = now
		return c.nc.SetDeadline(r.started.Add(now + r.options.Timeout))
	}
	return nil
}

func (c *connection) dial(ctx context.Context, r *run) error {
	limited, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	nc, err := r.options.Dial(limited, "tcp", address(r.visits.url))
	if err != nil {
		return err
	}
	c.nc, c.conn, c.deadline = nc, client.NewConn(nc, nil), 0
	c.unwatch = context.AfterFunc(ctx, func() { nc.Close() })
	return nil
}

func (c *connection) close() {
	if c.conn == nil {
		return
	}
	c.unwatch()
	c.conn.Close()
	c.conn = nil
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
