package load

import (
	"context"
	"time"
)

// workload is the kind of load of a run. It starts the users and decides when their visits begin.
type workload interface {
	// size returns the offered rate of an open load, or the number of users of a closed load. The other one is 0.
	size() (rate float64, users int)
	// start starts the first users. Their requests end with ctx.
	start(ctx context.Context, r *run)
	// leadTime is how long beginWindow must be called before the measured window begins.
	leadTime() time.Duration
	// beginWindow ends the warm-up. It returns when the measured window begins, as a time of the run.
	beginWindow(r *run) time.Duration
	// stop ends the load: no further visit begins.
	stop()
	// countUnserved counts the visits of the window that never began. It is called after all users have ended.
	countUnserved(r *run)
	// complete sets the fields of the step that depend on the kind of load.
	complete(s *Step, r *run, t *tally)
}

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
