package load

import (
	"context"
	"time"
)

// closedLoad is a fixed number of users, each of which begins its next visit when the last one has ended.
type closedLoad struct{ users int }

func (c *closedLoad) size() (float64, int) { return 0, c.users }

func (c *closedLoad) start(ctx context.Context, r *run) {
	for range c.users {
		u := r.newUser()
		r.users.Go(func() { u.runClosed(ctx) })
	}
}

func (c *closedLoad) leadTime() time.Duration          { return 0 }
func (c *closedLoad) beginWindow(r *run) time.Duration { return r.now() }
func (c *closedLoad) stop()                            {}
func (c *closedLoad) countUnserved(*run)               {}
func (c *closedLoad) complete(*Step, *run, *tally)     {}

// refusedPause is the pause of a closed user after a refused request. Without it, users would retry in a tight loop.
const refusedPause = 10 * time.Millisecond

// runClosed makes the next visit when the last one has ended.
func (u *user) runClosed(ctx context.Context) {
	defer u.caller.close()
	for now := u.run.now(); !u.run.isStopping(); {
		end := u.caller.visit(ctx, u, now, now)
		if end.refused {
			u.run.pause(refusedPause)
			end.at = u.run.now()
		}
		u.tally.visit(now, end.at, end.aborted)
		now = end.at
	}
}
