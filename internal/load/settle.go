package load

import (
	"context"
	"time"
)

// A target that was overloaded works off what it still has, whether or not anybody waits for it any more. The next step
// must not begin before that is over, or it measures the step before. The warm-up alone would not notice: a target that
// answers nothing within the timeout is steady, too.

const (
	calmFactor = 2                     // a visit alone may take so many times what was usual under a load that held
	calmFloor  = 20 * time.Millisecond // and so much longer: a connection has to be made for it
	calmPause  = 200 * time.Millisecond
	slowFor    = 3 * time.Minute  // what is not over by then is given up
	failingFor = 10 * time.Second // a visit that fails quickly has its reasons, and is not waited for as long
)

// settle waits until a visit alone is about as quick as usual. It returns how long it waited until such a visit began, and
// whether it came to that.
func (g *Generator) settle(ctx context.Context, usual time.Duration) (waited time.Duration, ok bool) {
	for begin := time.Now(); ; {
		waited = time.Since(begin)
		slowest, failed := g.rehearse(ctx)
		calm := slowest <= calmFactor*usual+calmFloor
		switch {
		case ctx.Err() != nil, calm && !failed, calm && waited > failingFor:
			return waited, true
		case waited > slowFor:
			return waited, false
		}
		if g.options.Progress != nil {
			g.options.Progress(Progress{Recovering: true, Elapsed: time.Since(begin)})
		}
		select {
		case <-time.After(calmPause):
		case <-ctx.Done():
		}
	}
}

// rehearse makes a visit of each kind. It returns what the slowest request took, and whether one failed.
func (g *Generator) rehearse(ctx context.Context) (slowest time.Duration, failed bool) {
	r := g.newRun(0)
	defer r.end()
	defer context.AfterFunc(ctx, r.end)()
	u := r.newUser()
	defer u.caller.close()
	u.caller.rehearse(u)
	seen := r.look()
	return seen.recent.max(), seen.recentBad > 0
}

// rehearseOnce is rehearse where there is one kind of visit, without pauses.
func rehearseOnce(c caller, u *user) {
	now := u.run.now()
	c.visit(u, now, now)
}
