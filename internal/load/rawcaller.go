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
	err := c.connection.prepare(ctx, u.run, sent)
	if err == nil {
		err = c.connection.conn.Exchange(c.target.raw, &c.head, nil)
	}
	done := u.run.now()
	res := result{kind: statusKind(c.head.Status)}
	if err != nil {
		res = failure(ctx, err)
	}
	u.tally.request(scheduled, free, sent, done, res)
	return visitEnd{at: done, aborted: res.aborted, refused: res.noLatency}
}

func (c *rawCaller) tryVisits(ctx context.Context, u *user) {
	now := u.run.now()
	c.visit(ctx, u, now, now)
}

func (c *rawCaller) close() { c.connection.close() }
