package load

import (
	"context"
	"net"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// wire is the fast caller: one ready-made request over HTTP/1.1 in the clear, again and again, without an allocation.
type wire struct {
	target *Target
	link   link
	head   client.Head
}

func (w *wire) visit(u *user, intended, free time.Duration) (done time.Duration, cut bool) {
	sent := u.run.now()
	err := w.link.ready(u.run, sent)
	if err == nil {
		err = w.link.conn.Exchange(w.target.raw, &w.head, nil)
	}
	done = u.run.now()
	a := answer{bytes: w.head.BodyBytes}
	if err != nil {
		a = failed(u.run, err)
	} else {
		a.fault = statusFault(w.head.Status)
	}
	u.tally.request(intended, free, sent, done, a)
	if a.none && !a.cut && u.run.line == nil {
		u.run.pause(refusedPause)
		done = u.run.now()
	}
	return done, a.cut
}

func (w *wire) rehearse(u *user) { rehearseOnce(w, u) }

func (w *wire) close() { w.link.close() }

// refusedPause keeps users who wait for answers from asking without pause where nobody answers.
const refusedPause = 10 * time.Millisecond

// failed is the answer to a request that ended in err.
func failed(r *run, err error) answer {
	if r.cut.Err() != nil {
		return answer{cut: true}
	}
	kind := faultOf(err)
	return answer{fault: kind, none: kind != timedOut}
}

// link is a connection to the target that is made when it is needed.
type link struct {
	conn    *client.Conn
	nc      net.Conn
	release func() bool
	limit   time.Duration // when the deadline was set
	used    time.Duration // when it was last ready
}

// idle is after what time a connection is looked at before it is used: the target may have closed it.
const idle = time.Second

// ready makes sure that a request can be sent, and ends in time.
func (l *link) ready(r *run, now time.Duration) error {
	if l.conn != nil && (!l.conn.Reusable() || now-l.used > idle && l.conn.Stale()) {
		l.close()
	}
	if l.conn == nil {
		ctx, cancel := context.WithTimeout(r.cut, r.options.Timeout)
		defer cancel()
		nc, err := r.options.Dial(ctx, "tcp", address(r.g.url))
		if err != nil {
			return err
		}
		l.nc, l.conn, l.limit = nc, client.NewConn(nc, nil), 0
		l.release = context.AfterFunc(r.cut, func() { nc.Close() })
	}
	l.used = now
	// A deadline costs more than it looks; one that is a little early does, too. So it is kept for a tenth of its time.
	if l.limit == 0 || now-l.limit > r.options.Timeout/10 {
		l.limit = now
		return l.nc.SetDeadline(r.epoch.Add(now + r.options.Timeout))
	}
	return nil
}

func (l *link) close() {
	if l.conn == nil {
		return
	}
	l.release()
	l.conn.Close()
	l.conn = nil
}
