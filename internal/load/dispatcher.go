package load

import (
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/load/arrivals"
	"github.com/tenfold-go/tenfold/internal/load/platform"
)

// dispatcher gives the visits of a schedule to users. It is the leader/followers pattern: one user, the leader, waits
// for the next arrival; the other free users wait until they become the leader.
//
//	schedule -> leader waits for the arrival -> makes a free user the leader -> makes the visit -> is free again
//
// The goroutine that waited for the arrival also makes the request. So no other goroutine has to be woken between the
// arrival and the write. If no user is free, the dispatcher adds one, up to maxUsers. If there are maxUsers, arrivals
// wait, and their wait counts as latency.
type dispatcher struct {
	now      func() time.Duration // time of the run
	timer    platform.Timer
	maxUsers int
	addUser  func() // starts one more user, which is the leader

	mu        sync.Mutex
	current   plannedArrivals
	next      *plannedArrivals // replaces current when it begins
	free      []*user          // the last to become free is the first to be used, because its connection is the warmest
	hasLeader bool
	numUsers  int
	closed    bool
	missed    int64 // arrivals of current for which the generator was too late
}

// plannedArrivals is a schedule that begins at a time of the run.
type plannedArrivals struct {
	*arrivals.Schedule
	begin time.Duration
}

const (
	// maxLateness is how late the generator may be for a visit that it still begins. After a pause of the generator, the
	// missed visits must not begin all at once: that would be a burst that the schedule does not have.
	maxLateness = 100 * time.Millisecond

	// pollInterval is the longest time between two checks of the leader whether the dispatcher was closed or has another
	// schedule.
	pollInterval = 50 * time.Millisecond

	// leadTime is how long before its beginning a schedule must be known, so that the leader notices it in time.
	leadTime = 2 * pollInterval
)

// newDispatcher returns a dispatcher that begins with the schedule s and with one user, the leader. The caller sets
// addUser and starts that user.
func newDispatcher(now func() time.Duration, timer platform.Timer, maxUsers int, s *arrivals.Schedule) *dispatcher {
	return &dispatcher{
		now: now, timer: timer, maxUsers: maxUsers,
		current: plannedArrivals{Schedule: s}, hasLeader: true, numUsers: 1,
	}
}

// follow makes s the schedule after the lead time. It returns when that is.
func (d *dispatcher) follow(s *arrivals.Schedule) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = &plannedArrivals{s, d.now() + leadTime}
	return d.next.begin
}

// nextVisit waits until it is time for the next visit of u. It returns the scheduled time of the visit, and when u was
// free for it. isLeader says that u was started as the leader. The result is false if there are no more visits.
func (d *dispatcher) nextVisit(u *user, isLeader bool) (at, free time.Duration, ok bool) {
	if !isLeader {
		free = d.now()
		if !d.awaitLead(u) {
			return 0, 0, false
		}
	}
	at, ok = d.awaitArrival(free)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok || d.closed {
		d.hasLeader = false
		return 0, 0, false
	}
	d.passLead()
	return at, free, true
}

// passLead makes another user the leader, if there is one or may be one more. d.mu is held.
func (d *dispatcher) passLead() {
	switch n := len(d.free); {
	case n > 0:
		d.free[n-1].wake <- true
		d.free = d.free[:n-1]
	case d.numUsers < d.maxUsers:
		d.numUsers++
		d.addUser()
	default:
		d.hasLeader = false
	}
}

// awaitLead returns true when u has become the leader, or false when the dispatcher was closed.
func (d *dispatcher) awaitLead(u *user) bool {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return false
	}
	if !d.hasLeader {
		d.hasLeader = true
		d.mu.Unlock()
		return true
	}
	d.free = append(d.free, u)
	d.mu.Unlock()
	return <-u.wake
}

// awaitArrival takes the next arrival and waits until its time.
func (d *dispatcher) awaitArrival(free time.Duration) (at time.Duration, ok bool) {
	if at, ok = d.take(free); !ok {
		d.close()
		return 0, false
	}
	for {
		wait := at - d.now()
		if wait <= 0 {
			return at, true
		}
		d.timer.Wait(min(wait, pollInterval))
		switch d.check(at) {
		case arrivalEnded:
			return 0, false
		case arrivalReplaced:
			return d.awaitArrival(free)
		}
	}
}

type arrivalState uint8

const (
	arrivalValid    arrivalState = iota
	arrivalReplaced              // another schedule is in force at that time
	arrivalEnded                 // the dispatcher was closed
)

// check returns the state of an arrival that was taken.
func (d *dispatcher) check(at time.Duration) arrivalState {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return arrivalEnded
	case d.next != nil && at >= d.next.begin:
		return arrivalReplaced
	}
	return arrivalValid
}

// take returns the next arrival for which the generator is not too late, and counts the others as missed.
func (d *dispatcher) take(free time.Duration) (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.closed {
		at, ok := d.nextArrival()
		if !ok {
			return 0, false
		}
		if d.now()-max(at, free) <= maxLateness {
			return at, true
		}
		d.missed++
	}
	return 0, false
}

// nextArrival returns the next arrival of the schedule that is in force at its time. d.mu is held.
func (d *dispatcher) nextArrival() (time.Duration, bool) {
	at, ok := d.current.Next()
	if n := d.next; n != nil && (!ok || d.current.begin+at >= n.begin) {
		d.current, d.next = *n, nil
		d.missed = 0
		at, ok = d.current.Next()
	}
	return d.current.begin + at, ok
}

// close ends the load: no user gets another visit.
func (d *dispatcher) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, u := range d.free {
		u.wake <- false
	}
	d.free = nil
}

// drain calls yield for each arrival before end that was not taken. It is called after close.
func (d *dispatcher) drain(end time.Duration, yield func(at time.Duration)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		at, ok := d.nextArrival()
		if !ok || at >= end {
			return
		}
		yield(at)
	}
}
