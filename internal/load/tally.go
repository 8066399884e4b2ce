package load

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// window is the measured part of a run. It is not known when the run starts, because it begins after the warm-up. Its
// times are times of the run.
type window struct {
	from atomic.Int64 // math.MaxInt64 until it is known
	to   atomic.Int64
}

func (w *window) reset() {
	w.from.Store(math.MaxInt64)
	w.to.Store(math.MaxInt64)
}

func (w *window) set(from, to time.Duration) {
	w.to.Store(int64(to))
	w.from.Store(int64(from))
}

func (w *window) bounds() (from, to time.Duration) {
	return time.Duration(w.from.Load()), time.Duration(w.to.Load())
}

// overlap returns how much of [begin, end) lies in the window.
func (w *window) overlap(begin, end time.Duration) time.Duration {
	from, to := w.bounds()
	return max(0, min(end, to)-max(begin, from))
}

// maxOnTime is how late a request may be sent and still count as sent on time.
const maxOnTime = time.Millisecond

const (
	// maxKinds bounds how many kinds of errors are counted separately.
	maxKinds = 30

	// otherKind stands for all other kinds.
	otherKind curve.ErrorKind = "other"
)

// tally counts the results of some of the users. Each user has one tally, several users share it, and all tallies are
// merged at the end. So its memory depends neither on the number of users nor on the number of requests.
type tally struct {
	window *window

	mu      sync.Mutex
	latency histogram // of requests, from the scheduled time to the end of the response
	service histogram // of the same requests, from the time they were sent
	lag     histogram // how late the generator sent them
	visits  histogram // of whole visits, from the scheduled time

	requests, failed int64
	repeated         int64 // requests sent again on a new connection
	late             int64 // requests sent more than maxOnTime after their time
	kinds            map[curve.ErrorKind]int64
	finished         int64         // visits that ended within the window, whenever they began
	spent            time.Duration // in these visits
	present          time.Duration // in all visits, as far as they lie in the window
	unserved         int64         // visits that never began
	steps            []stepTally   // of a journey

	recent       histogram // latencies since the last call of takeRecent
	recentDone   int64     // requests since then
	recentFailed int64
}

// stepTally counts the results of one step of a journey.
type stepTally struct {
	requests, failed int64
	latency          histogram
}

// result is the result of one request.
type result struct {
	kind      curve.ErrorKind // "" if the request succeeded
	aborted   bool            // the run ended before the response: the request counts neither as success nor as failure
	noLatency bool            // the request failed without a wait for a response
	step      int             // number of the step of a journey, from 1; 0 for none
	repeated  int             // how often it was sent again, because the target had closed the connection
}

// request counts a request. It should have been sent at scheduled, was sent at sent and ended at done. free is when its
// user was free to send it.
func (t *tally) request(scheduled, free, sent, done time.Duration, res result) {
	if res.aborted {
		return
	}
	from, to := t.window.bounds()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recentDone++
	if res.kind != "" {
		t.recentFailed++
	}
	if !res.noLatency {
		t.recent.record(done - scheduled)
	}
	if scheduled < from || scheduled >= to {
		return
	}
	t.requests++
	t.repeated += int64(res.repeated)
	lag := sent - max(scheduled, free)
	t.lag.record(lag)
	if lag > maxOnTime {
		t.late++
	}
	if res.kind != "" {
		t.failed++
		t.addKind(res.kind, 1)
	}
	if !res.noLatency {
		t.latency.record(done - scheduled)
		t.service.record(done - sent)
	}
	if res.step > 0 {
		t.step(res.step).request(res, done-scheduled)
	}
}

func (s *stepTally) request(res result, latency time.Duration) {
	s.requests++
	if res.kind != "" {
		s.failed++
	}
	if !res.noLatency {
		s.latency.record(latency)
	}
}

// step returns the tally of the step with that number, from 1. t.mu is held.
func (t *tally) step(number int) *stepTally {
	for len(t.steps) < number {
		t.steps = append(t.steps, stepTally{latency: histogram{coarse: true}})
	}
	return &t.steps[number-1]
}

func (t *tally) addKind(kind curve.ErrorKind, n int64) {
	if t.kinds == nil {
		t.kinds = map[curve.ErrorKind]int64{}
	}
	if _, known := t.kinds[kind]; !known && len(t.kinds) >= maxKinds {
		kind = otherKind
	}
	t.kinds[kind] += n
}

// visit counts a visit that should have begun at scheduled. An aborted visit did not finish.
func (t *tally) visit(scheduled, done time.Duration, aborted bool) {
	from, to := t.window.bounds()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.present += t.window.overlap(scheduled, done)
	if aborted || done < from || done >= to {
		return
	}
	t.finished++
	t.spent += done - scheduled
	t.visits.record(done - scheduled)
}

// neverBegan counts a visit for which no connection was free until the end of the window.
func (t *tally) neverBegan(scheduled, end time.Duration) {
	t.visit(scheduled, end, true)
	if from, to := t.window.bounds(); scheduled >= from && scheduled < to {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.unserved++
		t.latency.record(end - scheduled) // a lower bound
	}
}

// takeRecent adds the results since the last call to sum, and resets them.
func (t *tally) takeRecent(sum *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum.recent.merge(t.recent)
	sum.recentDone += t.recentDone
	sum.recentFailed += t.recentFailed
	t.recent.reset()
	t.recentDone, t.recentFailed = 0, 0
}

// add merges other into t. No user may use either of them any more.
func (t *tally) add(other *tally) {
	t.latency.merge(other.latency)
	t.service.merge(other.service)
	t.lag.merge(other.lag)
	t.visits.merge(other.visits)
	t.requests += other.requests
	t.failed += other.failed
	t.late += other.late
	t.repeated += other.repeated
	t.finished += other.finished
	t.spent += other.spent
	t.present += other.present
	t.unserved += other.unserved
	for i := range other.steps {
		s, o := t.step(i+1), &other.steps[i]
		s.requests, s.failed = s.requests+o.requests, s.failed+o.failed
		s.latency.merge(o.latency)
	}
	for kind, n := range maps.All(other.kinds) {
		t.addKind(kind, n)
	}
}
