package load

import (
	"sync"
	"time"
)

// line is where virtual users wait for work: one of them waits for the next arrival, the others for their turn.
//
//	arrivals ──> leader waits until it is time ──> hands the lead on, makes the visit ──> joins the line again
//
// The request is made by the goroutine that waited for it, so no hand-off lies between the moment and the write. When
// nobody is free to lead, the line grows by a user, up to its cap; beyond, arrivals wait, and their wait counts.
type line struct {
	now   func() time.Duration // since the step began
	alarm alarm
	grow  func() // starts one more user, who leads
	cap   int

	mu     sync.Mutex
	source arrivals
	then   *arrivals // takes over from source when it begins
	idle   []*user   // the last to come is the first to go: its connection is the warmest
	led    bool      // somebody waits for the next arrival
	users  int
	closed bool
	missed int64 // arrivals of source for which the generator itself came too late
}

// arrivals are a schedule at a place in time.
type arrivals struct {
	*Schedule
	begin time.Duration
}

const (
	// tooLate is how late the generator may be for a visit and still begin it. After a pause of its own it must not send
	// all that it missed at once: that would be a burst that nobody planned.
	tooLate = 100 * time.Millisecond

	// nap is the longest time that the leader does not look at what changed in the line.
	nap = 50 * time.Millisecond

	// notice is how long before its begin a schedule must be known, so that the leader sees it in time.
	notice = 2 * nap
)

// follow makes s the schedule from notice on, and returns when that is.
func (l *line) follow(s *Schedule) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.then = &arrivals{s, l.now() + notice}
	return l.then.begin
}

// next returns when it is time for u's next visit, with that intended moment and when u was free for it. leads says that
// u was started to lead. The result is false when there are no more visits.
func (l *line) next(u *user, leads bool) (at, free time.Duration, ok bool) {
	if !leads {
		free = l.now()
		if !l.lead(u) {
			return 0, 0, false
		}
	}
	at, ok = l.await(free)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := len(l.idle); {
	case !ok || l.closed:
		l.led = false
		return 0, 0, false
	case n > 0:
		l.idle[n-1].turn <- true
		l.idle = l.idle[:n-1]
	case l.users < l.cap:
		l.users++
		l.grow()
	default:
		l.led = false
	}
	return at, free, true
}

// lead returns when u is the one to wait for the next arrival.
func (l *line) lead(u *user) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	if !l.led {
		l.led = true
		l.mu.Unlock()
		return true
	}
	l.idle = append(l.idle, u)
	l.mu.Unlock()
	return <-u.turn
}

// await takes the next arrival and waits until it is time for it.
func (l *line) await(free time.Duration) (at time.Duration, ok bool) {
	if at, ok = l.take(free); !ok {
		l.close()
		return 0, false
	}
	for {
		d := at - l.now()
		if d <= 0 {
			return at, true
		}
		l.alarm.until(min(d, nap))
		switch l.state(at) {
		case ended:
			return 0, false
		case replaced:
			return l.await(free)
		}
	}
}

type lineState uint8

const (
	current  lineState = iota
	replaced           // another schedule has taken over at that time
	ended
)

func (l *line) state(at time.Duration) lineState {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ended
	case l.then != nil && at >= l.then.begin:
		return replaced
	}
	return current
}

// take takes the next arrival that is not too late to be served.
func (l *line) take(free time.Duration) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		at, ok := l.draw()
		if !ok {
			return 0, false
		}
		if l.now()-max(at, free) <= tooLate {
			return at, true
		}
		l.missed++
	}
	return 0, false
}

// draw takes the next arrival of whatever schedule it belongs to.
func (l *line) draw() (time.Duration, bool) {
	d, ok := l.source.Next()
	if t := l.then; t != nil && (!ok || l.source.begin+d >= t.begin) {
		l.source, l.then = *t, nil
		l.missed = 0
		d, ok = l.source.Next()
	}
	return l.source.begin + d, ok
}

// close ends the line: nobody gets another visit.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, u := range l.idle {
		u.turn <- false
	}
	l.idle = nil
}

// rest calls yield for each arrival until end that nobody was free for. It is called after close.
func (l *line) rest(end time.Duration, yield func(at time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		at, ok := l.draw()
		if !ok || at >= end {
			return
		}
		yield(at)
	}
}
