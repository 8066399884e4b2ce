package load

import (
	"context"
	"time"
)

// An overloaded target still works on its queue after the load has ended, even if the clients have gone. The next step
// must not begin before the queue is empty, or its latencies are those of the previous step. The warm-up does not
// notice a queue: a target that answers no request within the timeout is steady, too.

const (
	recoveredFactor = 2                     // a single visit may take this many times the usual latency,
	recoveredExtra  = 20 * time.Millisecond // plus this time to make a connection
	recoveryPause   = 200 * time.Millisecond
	maxRecovery     = 3 * time.Minute  // the search gives up waiting after this time
	maxFailing      = 10 * time.Second // wait while visits are fast but fail
)

// awaitRecovery waits until a single visit is about as fast as usual. It returns how long it waited before that visit,
// and false if the target did not recover in time.
func (g *Generator) awaitRecovery(ctx context.Context, usual time.Duration) (waited time.Duration, ok bool) {
	for begin := time.Now(); ; {
		waited = time.Since(begin)
		slowest, failed := g.tryVisits(ctx)
		fast := slowest <= recoveredFactor*usual+recoveredExtra
		switch {
		case ctx.Err() != nil, fast && !failed, fast && waited > maxFailing:
			return waited, true
		case waited > maxRecovery:
			return waited, false
		}
		if g.options.Progress != nil {
			g.options.Progress(Progress{Recovering: true, Elapsed: time.Since(begin)})
		}
		select {
		case <-time.After(recoveryPause):
		case <-ctx.Done():
		}
	}
}

// tryVisits makes a visit of each kind. It returns the latency of the slowest request, and whether a request failed.
func (g *Generator) tryVisits(ctx context.Context) (slowest time.Duration, failed bool) {
	r := g.newRun(&closedLoad{users: 1})
	u := r.newUser()
	defer u.caller.close()
	u.caller.tryVisits(ctx, u)
	t := r.takeRecent()
	return t.recent.max(), t.recentFailed > 0
}
