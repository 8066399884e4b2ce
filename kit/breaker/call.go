package breaker

import (
	"context"
	"time"
)

// Call is a call that a Breaker let through. The first Done or Cancel of a trial call ends it. The zero Call belongs to
// no Breaker; its methods do nothing.
type Call struct {
	b          *Breaker
	generation uint64
}

// Done reports the result of the call. A result does not count if the state has changed since the call was let through.
func (c Call) Done(ok bool) {
	b := c.b
	if b == nil {
		return
	}
	now := time.Now()
	b.mu.Lock()
	from := b.state
	if c.generation == b.generation {
		b.count(ok, now)
	}
	to := b.state
	b.mu.Unlock()
	b.changed(from, to)
}

// count counts a result in the current state. b.mu is held.
func (b *Breaker) count(ok bool, now time.Time) {
	switch {
	case b.state == HalfOpen && ok:
		b.enter(Closed, now)
	case b.state == HalfOpen:
		b.enter(Open, now)
	case b.state == Closed:
		failed := 1
		if ok {
			failed = 0
		}
		b.calls.add(now, 1, failed)
		calls, failures := b.calls.sum(now)
		if calls >= b.o.MinCalls && float64(failures) >= b.o.FailureRate*float64(calls) {
			b.enter(Open, now)
		}
	}
}

// Cancel ends the call without a result, for example because the client disconnected. If the call was the trial, the
// next call is the trial.
func (c Call) Cancel() {
	b := c.b
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.generation == b.generation && b.state == HalfOpen {
		b.state = Open
		b.generation++
		b.endCooldown()
	}
}

// Do calls fn if the breaker lets the call through, and returns its results. Otherwise it returns ErrOpen.
//
// The breaker counts the call as failed if fn panics, or if Options.IsFailure reports true for its error. If fn returns
// an error after ctx has ended, the call does not count.
func Do[T any](ctx context.Context, b *Breaker, fn func(context.Context) (T, error)) (T, error) {
	call, err := b.Allow()
	if err != nil {
		return *new(T), err
	}
	returned := false
	defer func() {
		if !returned {
			call.Done(false) // fn panicked
		}
	}()
	result, err := fn(ctx)
	returned = true
	switch {
	case err == nil:
		call.Done(true)
	case ctx.Err() != nil:
		call.Cancel()
	default:
		call.Done(!b.o.IsFailure(err))
	}
	return result, err
}

// Do is the function Do for an fn that returns only an error.
func (b *Breaker) Do(ctx context.Context, fn func(context.Context) error) error {
	_, err := Do(ctx, b, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}
