package load

import (
	"context"
	"math"
	"time"

	"github.com/tenfold-go/tenfold/internal/load/arrivals"
	"github.com/tenfold-go/tenfold/internal/load/platform"
)

// openLoad begins visits at the times of a schedule, whether or not earlier visits have ended.
type openLoad struct {
	rate        float64
	timer       platform.Timer
	newSchedule func(rate float64, span time.Duration) *arrivals.Schedule
	dispatcher  *dispatcher
}

func (o *openLoad) size() (float64, int) { return o.rate, 0 }

// start begins with the measured schedule if there is no warm-up. Otherwise the first schedule lasts at least as long
// as the warm-up.
func (o *openLoad) start(ctx context.Context, r *run) {
	span := r.options.Duration
	if w := r.options.Warmup; w == nil {
		span = 2 * (maxWarmup + span)
	} else if *w > 0 {
		span = 2 * (*w + time.Second)
	}
	o.dispatcher = newDispatcher(r.now, o.timer, r.options.Connections, o.newSchedule(o.rate, span))
	o.dispatcher.addUser = func() {
		u := r.newUser()
		r.users.Go(func() { u.runOpen(ctx, o.dispatcher) })
	}
	o.dispatcher.addUser()
}

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

func (o *openLoad) leadTime() time.Duration { return leadTime }

func (o *openLoad) beginWindow(r *run) time.Duration {
	return o.dispatcher.follow(o.newSchedule(o.rate, r.options.Duration))
}

func (o *openLoad) stop() { o.dispatcher.close() }

func (o *openLoad) countUnserved(r *run) {
	_, to := r.window.bounds()
	o.dispatcher.drain(to, func(at time.Duration) { r.tallies[0].neverBegan(at, to) })
}

func (o *openLoad) complete(s *Step, r *run, t *tally) {
	s.planned = math.Round(o.rate * r.result.took.Seconds())
	s.chance = o.chance(r, t)
	if s.planned > 0 {
		if margin := s.chance / s.planned; margin > 0.1 {
			s.AchievedMargin = margin
		}
	}
	s.Missed, s.Unserved = o.dispatcher.missed, t.unserved
	s.open = true
}

// chance returns by how many visits begins and ends may differ over a window although the target keeps up: by the
// visits in progress at its edges. It estimates their mean number from the faster visits and from the pauses of the
// visitors, which a growing queue does not change. The result is at least 1, because one visit that the end of the
// window cuts off means nothing.
func (o *openLoad) chance(r *run, t *tally) float64 {
	each := max(t.visits.quantile(0.25), r.visits.meanPause)
	mean := o.rate * each.Seconds()
	edges := max(1, 3*math.Sqrt(2*mean))
	if r.result.warmup < 2*each { // the target had no visits at the beginning of the window
		edges += mean
	}
	return edges
}
