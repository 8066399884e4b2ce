// Package breaker protects a program from a dependency that fails, and the dependency from the program.
//
// A circuit [Breaker] counts the calls to one dependency. When too many of them fail, the breaker opens: for a while,
// calls return [ErrOpen] at once and the dependency gets none. Then one trial call decides whether the breaker closes
// again. Use [Do], or [Breaker.Allow] where a call does not fit into a function.
//
// A [RetryBudget] limits retries to a share of the requests, so that retries do not multiply an overload.
package breaker

import (
	"errors"
	"sync"
	"time"
)

// ErrOpen is the error of a call that an open breaker rejected. The dependency did not get the call.
var ErrOpen = errors.New("circuit breaker is open")

// State is the state of a Breaker.
type State uint8

const (
	Closed   State = iota // calls pass and are counted
	Open                  // calls are rejected
	HalfOpen              // one trial call runs; all other calls are rejected
)

// String returns "closed", "open" or "half-open".
func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// Options configure a Breaker. A zero field means its default.
type Options struct {
	// FailureRate opens the breaker: the share of failed calls in the window, from 0 to 1. Default 0.5.
	FailureRate float64
	// MinCalls is the number of calls in the window below which the breaker stays closed. Default 20.
	MinCalls int
	// Window is the time for which a call counts. Default 10s.
	Window time.Duration
	// Cooldown is the time between opening and the trial call. Default 5s.
	Cooldown time.Duration
	// TrialTimeout is the time after which a trial call that has not ended counts as failed. Without it, a trial that
	// never returns would keep the breaker half-open. Default: Cooldown.
	TrialTimeout time.Duration
	// IsFailure decides for Do whether an error counts against the dependency. An error that the dependency gives to a
	// wrong request, for example sql.ErrNoRows, does not. It is called with errors that are not nil. Default: every
	// error counts.
	IsFailure func(error) bool
	// OnChange is called after each change of state, for example to log it. Calls of it do not overlap, and the Breaker
	// holds no lock on its state. It must not call the Breaker.
	OnChange func(from, to State)
}

// Breaker is a circuit breaker. It is safe for concurrent use. It starts no goroutine: it looks at the time when it is
// called.
type Breaker struct {
	o      Options
	notify sync.Mutex // held while OnChange runs

	mu    sync.Mutex // guards the fields below
	state State
	since time.Time // when the state began
	// generation counts changes of state. A result counts only in the state that let its call through.
	generation uint64
	calls      window // calls and failures
	rejected   uint64
	opened     uint64
}

// New returns a closed Breaker. If o is nil, all options have their defaults.
func New(o *Options) *Breaker {
	b := &Breaker{since: time.Now()}
	if o != nil {
		b.o = *o
	}
	if b.o.FailureRate <= 0 {
		b.o.FailureRate = 0.5
	}
	if b.o.MinCalls <= 0 {
		b.o.MinCalls = 20
	}
	if b.o.Window <= 0 {
		b.o.Window = 10 * time.Second
	}
	if b.o.Cooldown <= 0 {
		b.o.Cooldown = 5 * time.Second
	}
	if b.o.TrialTimeout <= 0 {
		b.o.TrialTimeout = b.o.Cooldown
	}
	if b.o.IsFailure == nil {
		b.o.IsFailure = func(error) bool { return true }
	}
	b.calls.span = b.o.Window
	return b
}

// Allow lets a call through or returns ErrOpen. The caller must end the Call with [Call.Done] or [Call.Cancel].
func (b *Breaker) Allow() (Call, error) {
	now := time.Now()
	b.mu.Lock()
	from := b.state
	if b.state == HalfOpen && now.Sub(b.since) >= b.o.TrialTimeout {
		b.enter(Open, now)
	}
	var err error
	switch {
	case b.state == Closed:
	case from == Open && now.Sub(b.since) >= b.o.Cooldown:
		b.enter(HalfOpen, now) // this call is the trial
	default:
		b.rejected++
		err = ErrOpen
	}
	call, to := Call{b, b.generation}, b.state
	b.mu.Unlock()
	b.changed(from, to)
	return call, err
}

// ProbePassed tells the breaker that the dependency works again, for example because a health check passed. The next
// call may be the trial, before Cooldown is over.
func (b *Breaker) ProbePassed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == Open {
		b.endCooldown()
	}
}

// State returns the current state.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// RetryAfter returns the time for which the breaker will reject calls. It is 0 if the next call gets through.
func (b *Breaker) RetryAfter() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case Open:
		return max(0, b.o.Cooldown-time.Since(b.since))
	case HalfOpen:
		return max(0, b.o.TrialTimeout-time.Since(b.since))
	}
	return 0
}

// Stats are the counters of a Breaker.
type Stats struct {
	State    State
	Calls    int    // calls that ended within the window, since the last change of state
	Failures int    // failed calls among them
	Rejected uint64 // calls that got ErrOpen
	Opened   uint64 // times that the breaker opened
}

// Stats returns the current counters.
func (b *Breaker) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls, failures := b.calls.sum(time.Now())
	return Stats{b.state, calls, failures, b.rejected, b.opened}
}

// enter changes the state. b.mu is held.
func (b *Breaker) enter(s State, now time.Time) {
	if s == Open {
		b.opened++
	}
	b.state = s
	b.since = now
	b.generation++
	b.calls.reset()
}

// endCooldown makes the next call the trial of an open breaker. b.mu is held.
func (b *Breaker) endCooldown() { b.since = time.Now().Add(-b.o.Cooldown) }

// changed calls OnChange if the state changed. b.mu is not held.
func (b *Breaker) changed(from, to State) {
	if from == to || b.o.OnChange == nil {
		return
	}
	b.notify.Lock()
	defer b.notify.Unlock()
	b.o.OnChange(from, to)
}
