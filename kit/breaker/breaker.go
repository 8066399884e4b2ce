// Package breaker keeps a failing dependency from taking its callers down: a circuit [Breaker] answers at once while calls
// would fail anyway, and a retry [Budget] keeps second tries from multiplying an overload.
package breaker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrOpen is what a call gets that an open breaker did not let through.
var ErrOpen = errors.New("circuit breaker is open")

// State is where a Breaker stands.
type State uint8

const (
	Closed   State = iota // calls pass and are counted
	Open                  // calls are refused
	HalfOpen              // one trial call is out; all others are refused
)

func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// Options tune a Breaker. Zero fields mean their defaults.
type Options struct {
	FailureRate float64       // share of failed calls in the window that opens it; default 0.5
	MinCalls    int           // calls in the window without which it stays closed; default 20
	Window      time.Duration // how far back calls count; default 10s
	OpenFor     time.Duration // how long it stays open before a trial; default 5s
	// TrialTimeout is how long a trial may take before it counts as failed; default OpenFor. Without it, one call that
	// never returns would keep the breaker half-open, and everyone out, for ever.
	TrialTimeout time.Duration
	// OnChange is called after each change of state, one call at a time, without a lock held. It must not call the Breaker.
	OnChange func(from, to State)
}

// Breaker is a circuit breaker. It is safe for concurrent use and starts no goroutine: time is looked at when somebody calls.
type Breaker struct {
	o      Options
	notify sync.Mutex // one OnChange at a time

	mu         sync.Mutex
	state      State
	generation uint64 // grows with each change of state, so that a call is counted only in the state that let it through
	since      time.Time
	calls      window
}

// New returns a closed Breaker. A nil o means all defaults.
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
	if b.o.OpenFor <= 0 {
		b.o.OpenFor = 5 * time.Second
	}
	if b.o.TrialTimeout <= 0 {
		b.o.TrialTimeout = b.o.OpenFor
	}
	b.calls.span = b.o.Window
	return b
}

// Call is a call that a Breaker let through. Its result must be told to [Breaker.Done], or [Breaker.Cancel] called.
type Call struct{ generation uint64 }

// Allow lets a call through or returns ErrOpen.
func (b *Breaker) Allow() (Call, error) {
	now := time.Now()
	b.mu.Lock()
	from := b.state
	if b.state == HalfOpen && now.Sub(b.since) >= b.o.TrialTimeout {
		b.enter(Open, now) // the trial hangs: that is a failure too
	}
	var err error
	switch b.state {
	case Closed:
	case Open:
		if from == Open && now.Sub(b.since) >= b.o.OpenFor {
			b.enter(HalfOpen, now) // this call is the trial
		} else {
			err = ErrOpen
		}
	case HalfOpen:
		err = ErrOpen
	}
	call, to := Call{b.generation}, b.state
	b.mu.Unlock()
	b.changed(from, to)
	return call, err
}

// Done tells how a call ended. A call that was let through before the last change of state no longer counts.
func (b *Breaker) Done(c Call, ok bool) {
	now := time.Now()
	b.mu.Lock()
	from := b.state
	if c.generation == b.generation {
		switch b.state {
		case Closed:
			b.calls.add(now, 1, failures(ok))
			if n, failed := b.calls.sum(now); n >= b.o.MinCalls && float64(failed) >= b.o.FailureRate*float64(n) {
				b.enter(Open, now)
			}
		case HalfOpen:
			if ok {
				b.enter(Closed, now)
			} else {
				b.enter(Open, now)
			}
		}
	}
	to := b.state
	b.mu.Unlock()
	b.changed(from, to)
}

// Cancel tells that a call ended without a verdict, for example because its caller went away. A trial's place is free again.
func (b *Breaker) Cancel(c Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.generation == b.generation && b.state == HalfOpen {
		b.state = Open // with its time served: the next call is the trial
		b.since = time.Now().Add(-b.o.OpenFor)
		b.generation++
	}
}

// Hint tells the breaker of evidence from elsewhere that the dependency is back, such as a passed health check: the next
// call may be a trial, without waiting for OpenFor.
func (b *Breaker) Hint() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == Open {
		b.since = time.Now().Add(-b.o.OpenFor)
	}
}

// Do runs call if the breaker lets it, and counts its error. A context that ended counts as no verdict.
func (b *Breaker) Do(ctx context.Context, call func(context.Context) error) error {
	c, err := b.Allow()
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned {
			b.Done(c, false) // a panic
		}
	}()
	err = call(ctx)
	returned = true
	if err != nil && ctx.Err() != nil {
		b.Cancel(c)
	} else {
		b.Done(c, err == nil)
	}
	return err
}

// State returns where the breaker stands now.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// RetryAfter returns how long an open breaker will refuse calls; 0 when it lets one through.
func (b *Breaker) RetryAfter() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case Open:
		return max(0, b.o.OpenFor-time.Since(b.since))
	case HalfOpen:
		return max(0, b.o.TrialTimeout-time.Since(b.since))
	}
	return 0
}

func (b *Breaker) enter(s State, now time.Time) {
	b.state = s
	b.since = now
	b.generation++
	b.calls.reset()
}

func (b *Breaker) changed(from, to State) {
	if from == to || b.o.OnChange == nil {
		return
	}
	b.notify.Lock()
	defer b.notify.Unlock()
	b.o.OnChange(from, to)
}

func failures(ok bool) int {
	if ok {
		return 0
	}
	return 1
}
