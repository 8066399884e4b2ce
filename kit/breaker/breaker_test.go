package breaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// failCalls lets n calls fail.
func failCalls(t *testing.T, b *Breaker, n int) {
	t.Helper()
	for range n {
		if err := b.Do(t.Context(), func(context.Context) error { return errDown }); !errors.Is(err, errDown) {
			t.Fatalf("a failing call returns %v", err)
		}
	}
}

// newOpen returns an open breaker.
func newOpen(t *testing.T, o *Options) *Breaker {
	t.Helper()
	b := New(o)
	failCalls(t, b, 20)
	if b.State() != Open {
		t.Fatalf("after 20 failures the breaker is %v", b.State())
	}
	return b
}

func TestOpensAtTheFailureRate(t *testing.T) {
	for _, c := range []struct {
		ok, failed int
		want       State
	}{
		{0, 19, Closed}, {0, 20, Open}, {10, 9, Closed}, {10, 10, Open}, {30, 20, Closed}, {100, 99, Closed}, {100, 100, Open},
	} {
		b := New(nil)
		for range c.ok {
			b.Do(t.Context(), func(context.Context) error { return nil })
		}
		failCalls(t, b, c.failed)
		if b.State() != c.want {
			t.Errorf("%d ok, %d failed: %v, want %v", c.ok, c.failed, b.State(), c.want)
		}
	}
}

func TestForgetsOldCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		failCalls(t, b, 19)
		time.Sleep(11 * time.Second)
		failCalls(t, b, 19)
		if b.State() != Closed {
			t.Error("failures of eleven seconds ago still count")
		}
	})
}

func TestOneTrialDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ok := range []bool{true, false} {
			var changes []string
			b := newOpen(t, &Options{OnChange: func(from, to State) { changes = append(changes, fmt.Sprint(from, " to ", to)) }})
			if _, err := b.Allow(); err != ErrOpen {
				t.Fatalf("an open breaker let a call through: %v", err)
			}
			time.Sleep(b.RetryAfter())
			trial, err := b.Allow()
			if err != nil {
				t.Fatalf("after the cooldown: %v", err)
			}
			if _, err := b.Allow(); err != ErrOpen {
				t.Fatal("a second call got through during the trial")
			}
			trial.Done(ok)
			want := map[bool]State{true: Closed, false: Open}[ok]
			if b.State() != want {
				t.Errorf("trial ok=%v: %v, want %v", ok, b.State(), want)
			}
			if got, want := fmt.Sprint(changes), fmt.Sprintf("[closed to open open to half-open half-open to %v]", want); got != want {
				t.Errorf("changes %v, want %v", got, want)
			}
		}
	})
}

func TestTrialThatNeverReturnsOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newOpen(t, nil)
		time.Sleep(5 * time.Second)
		trial, _ := b.Allow()
		time.Sleep(5 * time.Second)
		if _, err := b.Allow(); err != ErrOpen || b.State() != Open {
			t.Fatalf("after TrialTimeout: %v, %v; want an open breaker", err, b.State())
		}
		trial.Done(true)
		if b.State() != Open {
			t.Error("the result of a trial that had timed out closed the breaker")
		}
		time.Sleep(5 * time.Second)
		if _, err := b.Allow(); err != nil {
			t.Errorf("the next trial: %v", err)
		}
	})
}

func TestResultsOfAnEarlierStateDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		var early []Call
		for range 50 {
			c, _ := b.Allow()
			early = append(early, c)
		}
		failCalls(t, b, 20)
		time.Sleep(5 * time.Second)
		trial, _ := b.Allow()
		for _, c := range early {
			c.Done(false)
		}
		trial.Done(true)
		if b.State() != Closed {
			t.Errorf("failures of calls from before the breaker opened count: %v", b.State())
		}
	})
}

func TestNextCallAfterACancelledTrialIsATrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newOpen(t, nil)
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		b.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
		if _, err := b.Allow(); err != nil {
			t.Errorf("the next trial: %v", err)
		}
	})
}

func TestPassedProbeAllowsATrialAtOnce(t *testing.T) {
	b := newOpen(t, nil)
	b.ProbePassed()
	if _, err := b.Allow(); err != nil || b.State() != HalfOpen {
		t.Errorf("after a passed probe: %v, %v", err, b.State())
	}
}

func TestPanicCountsAsFailure(t *testing.T) {
	b := New(&Options{MinCalls: 1})
	func() {
		defer func() { recover() }()
		b.Do(t.Context(), func(context.Context) error { panic("boom") })
	}()
	if b.State() != Open {
		t.Error("a panic counts as a success")
	}
}

func TestIsFailureDecidesWhichErrorsCount(t *testing.T) {
	b := New(&Options{MinCalls: 1, IsFailure: func(err error) bool { return !errors.Is(err, io.EOF) }})
	for range 30 {
		if n, err := Do(t.Context(), b, func(context.Context) (int, error) { return 7, io.EOF }); n != 7 || err != io.EOF {
			t.Fatalf("Do returns %d, %v", n, err)
		}
	}
	if b.State() != Closed {
		t.Fatal("an error that is no failure opened the breaker")
	}
	failCalls(t, b, 30)
	if n, err := Do(t.Context(), b, func(context.Context) (int, error) { return 7, nil }); n != 0 || err != ErrOpen {
		t.Errorf("an open breaker returns %d, %v", n, err)
	}
}

func TestZeroCallDoesNothing(t *testing.T) {
	Call{}.Done(false)
	Call{}.Cancel()
}

func TestStatsCount(t *testing.T) {
	b := New(nil)
	b.Do(t.Context(), func(context.Context) error { return nil })
	failCalls(t, b, 3)
	if got, want := b.Stats(), (Stats{State: Closed, Calls: 4, Failures: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	failCalls(t, b, 16)
	b.Allow()
	b.Allow()
	if got, want := b.Stats(), (Stats{State: Open, Rejected: 2, Opened: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestConcurrentCalls(t *testing.T) {
	b := New(&Options{Cooldown: time.Microsecond})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 2000 {
				if c, err := b.Allow(); err == nil {
					c.Done((i+j)%3 == 0)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkAllowDone(b *testing.B) {
	br := New(nil)
	b.ReportAllocs()
	for b.Loop() {
		c, _ := br.Allow()
		c.Done(true)
	}
}
