package load

import (
	"context"
	"time"
)

// user is a virtual user: a goroutine that makes one visit after another, over its own connection where the caller has
// one.
type user struct {
	run    *run
	tally  *tally
	wake   chan bool // from the dispatcher: true: be the leader; false: end
	caller caller
}

// caller makes the visits of one user.
type caller interface {
	// visit makes the requests of one visit and counts each of them. The visit should have begun at scheduled; free is
	// when the user was free for it. Its requests end with ctx.
	visit(ctx context.Context, u *user, scheduled, free time.Duration) visitEnd
	// tryVisits makes one visit of each kind, without pauses, and counts each request.
	tryVisits(ctx context.Context, u *user)
	close()
}

// visitEnd is how a visit ended.
type visitEnd struct {
	at      time.Duration
	aborted bool // the run ended before the visit did
	refused bool // the last request failed without a wait for its response
}

// refusedPause is the pause of a closed user after a refused request. Without it, users would retry in a tight loop.
const refusedPause = 10 * time.Millisecond

// runOpen makes visits at the times that the dispatcher says.
func (u *user) runOpen(ctx context.Context, d *dispatcher) {
	defer u.caller.close()
	for isLeader := true; ; isLeader = false {
		at, free, ok := d.nextVisit(u, isLeader)
		if !ok {
			return
		}
		end := u.caller.visit(ctx, u, at, free)
		u.tally.visit(at, end.at, end.aborted)
	}
}

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
