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
	requests int           // prepared on this connection
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
	c.requests++
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
	network, address := r.visits.url.address()
	nc, err := r.options.Dial(limited, network, address)
	if err != nil {
		return err
	}
	c.nc, c.conn, c.deadline, c.requests = nc, client.NewConn(nc, nil), 0, 0
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

// mayRepeat reports whether a request that failed with err may be sent again on a new connection: the connection
// carried requests before, and the target closed it before any byte of the response. Servers close connections that
// they have kept, and a request can cross that close on its way. The first request on a connection is never repeated.
func (c *connection) mayRepeat(err error) bool {
	return c.requests > 1 && !c.conn.Answered() && isClosed(err)
}

// roundTrip sends a request, and a second time on a new connection if mayRepeat says so. It adds the second time to
// repeated.
func (c *connection) roundTrip(ctx context.Context, r *run, req *http.Request, repeated *int) (*http.Response, error) {
	if err := c.prepare(ctx, r, r.now()); err != nil {
		return nil, err
	}
	resp, err := c.conn.RoundTrip(req)
	if err == nil || req.Context().Err() != nil || !c.mayRepeat(err) {
		return resp, err
	}
	if req, err = rewound(req, err); err != nil {
		return nil, err
	}
	*repeated++
	if err := c.prepare(ctx, r, r.now()); err != nil {
		return nil, err
	}
	return c.conn.RoundTrip(req)
}

// rewound returns a copy of a request whose body begins anew. It returns err if the body cannot be read again.
func rewound(req *http.Request, err error) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, err
	}
	body, bodyErr := req.GetBody()
	if bodyErr != nil {
		return nil, bodyErr
	}
	again := *req
	again.Body = body
	return &again, nil
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
