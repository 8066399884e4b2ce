package load

import (
	"context"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// rawCaller repeats one request over HTTP/1.1 without TLS. The request is already in the form of the wire, so that a
// visit allocates nothing.
type rawCaller struct {
	target     *Target
	connection connection
	head       client.Head
}

func (c *rawCaller) visit(ctx context.Context, u *user, scheduled, free time.Duration) visitEnd {
	sent := u.run.now()
	repeated, err := c.exchange(ctx, u.run, sent)
	done := u.run.now()
	res := result{kind: statusKind(c.head.Status)}
	if err != nil {
		res = failure(ctx, err)
	}
	res.repeated = repeated
	u.tally.request(scheduled, free, sent, done, res)
	return visitEnd{at: done, aborted: res.aborted, refused: res.noLatency}
}

// exchange sends the request, and a second time if the target had closed the connection.
func (c *rawCaller) exchange(ctx context.Context, r *run, now time.Duration) (repeated int, err error) {
	if err = c.connection.prepare(ctx, r, now); err != nil {
		return 0, err
	}
	err = c.connection.conn.Exchange(c.target.raw, &c.head, nil)
	if err == nil || ctx.Err() != nil || !c.connection.mayRepeat(err) {
		return 0, err
	}
	if err = c.connection.prepare(ctx, r, r.now()); err != nil {
		return 1, err
	}
	return 1, c.connection.conn.Exchange(c.target.raw, &c.head, nil)
}

func (c *rawCaller) tryVisits(ctx context.Context, u *user) {
	now := u.run.now()
	c.visit(ctx, u, now, now)
}

func (c *rawCaller) close() { c.connection.close() }
