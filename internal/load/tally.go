package load

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// window is the part of a step that counts. It is not known when the step begins, because it begins when the warm-up is
// over. Times are since the step began.
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

// overlap is how much of [begin, end) lies in the window.
func (w *window) overlap(begin, end time.Duration) time.Duration {
	from, to := w.bounds()
	return max(0, min(end, to)-max(begin, from))
}

// lateBy is how late a request may leave and still count as sent in time.
const lateBy = time.Millisecond

// maxFaults bounds how many kinds of errors are told apart.
const maxFaults = 30

// tally counts what some of the users see. Each user has one, a few users share one, and all are merged in the end: its
// memory depends neither on the number of users nor on the number of requests.
type tally struct {
	window *window

	mu      sync.Mutex
	latency histogram // of requests, from the intended start to the end of the answer
	service histogram // of the same, from the moment they were sent
	lag     histogram // how late the generator itself was
	visits  histogram // whole visits, from the intended start

	requests, failed int64
	late             int64 // requests that the generator sent more than lateBy after it should have
	faults           map[string]int64
	finished         int64         // visits that ended within the window, whenever they began
	spent            time.Duration // in those
	present          time.Duration // in all visits, as far as they lie in the window
	bytes            int64
	unserved         int64       // visits that never began
	parts            []partTally // of journeys: by their steps

	recent     histogram // latency since the last look
	recentDone int64     // requests since the last look
	recentBad  int64
}

// answer is what became of a request.
type answer struct {
	fault string // what was wrong; empty for nothing
	cut   bool   // the step ended before the answer came: it is neither good nor bad
	none  bool   // there was no answer and no wait for one: no latency to speak of
	bytes int64
	part  int // of a journey: the number of its step from 1; 0 for none
}

// request counts a request that should have left at intended, left at sent, and was over at done. free is when its user
// was free to make it.
func (t *tally) request(intended, free, sent, done time.Duration, a answer) {
	if a.cut {
		return
	}
	from, to := t.window.bounds()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recentDone++
	if a.fault != "" {
		t.recentBad++
	}
	if !a.none {
		t.recent.record(done - intended)
	}
	if intended < from || intended >= to {
		return
	}
	t.requests++
	t.bytes += a.bytes
	lag := sent - max(intended, free)
	t.lag.record(lag)
	if lag > lateBy {
		t.late++
	}
	if a.fault != "" {
		t.failed++
		t.fault(a.fault, 1)
	}
	if !a.none {
		t.latency.record(done - intended)
		t.service.record(done - sent)
	}
	if a.part > 0 {
		p := t.part(a.part)
		p.requests++
		if a.fault != "" {
			p.failed++
		}
		if !a.none {
			p.latency.record(done - intended)
		}
	}
}

func (t *tally) fault(kind string, n int64) {
	if t.faults == nil {
		t.faults = map[string]int64{}
	}
	if _, known := t.faults[kind]; !known && len(t.faults) >= maxFaults {
		kind = "other"
	}
	t.faults[kind] += n
}

// visit counts a visit that should have begun at intended. One that was cut short did not finish.
func (t *tally) visit(intended, done time.Duration, cut bool) {
	from, to := t.window.bounds()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.present += t.window.overlap(intended, done)
	if cut || done < from || done >= to {
		return
	}
	t.finished++
	t.spent += done - intended
	t.visits.record(done - intended)
}

// neverBegan counts a visit that never began, because no connection was free until the end of the window.
func (t *tally) neverBegan(intended, end time.Duration) {
	t.visit(intended, end, true)
	if from, to := t.window.bounds(); intended >= from && intended < to {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.unserved++
		t.latency.record(end - intended) // as long as that, at least
	}
}

// look returns what came since the last look, and forgets it.
func (t *tally) look(into *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	into.recent.merge(t.recent)
	into.recentDone += t.recentDone
	into.recentBad += t.recentBad
	t.recent.reset()
	t.recentDone, t.recentBad = 0, 0
}

// add merges other into t. Both are at rest.
func (t *tally) add(other *tally) {
	t.latency.merge(other.latency)
	t.service.merge(other.service)
	t.lag.merge(other.lag)
	t.visits.merge(other.visits)
	t.requests += other.requests
	t.failed += other.failed
	t.late += other.late
	t.finished += other.finished
	t.spent += other.spent
	t.present += other.present
	t.bytes += other.bytes
	t.unserved += other.unserved
	t.addParts(other)
	for kind, n := range maps.All(other.faults) {
		t.fault(kind, n)
	}
}
