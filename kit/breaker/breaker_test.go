package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

func fail(t *testing.T, b *Breaker, n int) {
	t.Helper()
	for range n {
		if err := b.Do(t.Context(), func(context.Context) error { return errDown }); !errors.Is(err, errDown) {
			t.Fatalf("call: %v", err)
		}
	}
}

func open(t *testing.T, o *Options) *Breaker {
	t.Helper()
	b := New(o)
	fail(t, b, 20)
	if b.State() != Open {
		t.Fatalf("after 20 failures it is %v", b.State())
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
		fail(t, b, c.failed)
		if b.State() != c.want {
			t.Errorf("%d ok, %d failed: %v, want %v", c.ok, c.failed, b.State(), c.want)
		}
	}
}

func TestOldCallsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		fail(t, b, 19)
		time.Sleep(11 * time.Second)
		fail(t, b, 19)
		if b.State() != Closed {
			t.Error("failures of eleven seconds ago still count")
		}
	})
}

func TestOneTrialDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ok := range []bool{true, false} {
			var changes []string
			b := open(t, &Options{OnChange: func(from, to State) { changes = append(changes, fmt.Sprint(from, " to ", to)) }})
			if _, err := b.Allow(); err != ErrOpen {
				t.Fatalf("an open breaker let a call through: %v", err)
			}
			time.Sleep(b.RetryAfter())
			trial, err := b.Allow()
			if err != nil {
				t.Fatalf("after its time: %v", err)
			}
			if _, err := b.Allow(); err != ErrOpen {
				t.Fatal("a second call got through beside the trial")
			}
			b.Done(trial, ok)
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

func TestHungTrialReopens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil)
		time.Sleep(5 * time.Second)
		hung, _ := b.Allow()
		time.Sleep(5 * time.Second)
		if _, err := b.Allow(); err != ErrOpen || b.State() != Open {
			t.Fatalf("the trial hangs: %v, %v; want it open", err, b.State())
		}
		b.Done(hung, true)
		if b.State() != Open {
			t.Error("the hung trial's late success closed the breaker")
		}
		time.Sleep(5 * time.Second)
		if _, err := b.Allow(); err != nil {
			t.Errorf("the next trial: %v", err)
		}
	})
}

func TestLateResultsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		var late []Call
		for range 50 {
			c, _ := b.Allow()
			late = append(late, c)
		}
		fail(t, b, 20)
		time.Sleep(5 * time.Second)
		trial, _ := b.Allow()
		for _, c := range late {
			b.Done(c, false) // they began before it opened: the trial is not theirs to fail
		}
		b.Done(trial, true)
		if b.State() != Closed {
			t.Errorf("late failures decided: %v", b.State())
		}
	})
}

func TestCancelledTrialFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil)
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		b.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
		if _, err := b.Allow(); err != nil {
			t.Errorf("the next trial: %v", err)
		}
	})
}

func TestHintAllowsATrialAtOnce(t *testing.T) {
	b := open(t, nil)
	b.Hint()
	if _, err := b.Allow(); err != nil || b.State() != HalfOpen {
		t.Errorf("after a hint: %v, %v", err, b.State())
	}
}

func TestPanicCountsAsFailure(t *testing.T) {
	b := New(&Options{MinCalls: 1})
	func() {
		defer func() { recover() }()
		b.Do(t.Context(), func(context.Context) error { panic("boom") })
	}()
	if b.State() != Open {
		t.Error("a panic was taken for a success")
	}
}

func TestConcurrentCalls(t *testing.T) {
	b := New(&Options{OpenFor: time.Microsecond})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 2000 {
				if c, err := b.Allow(); err == nil {
					b.Done(c, (i+j)%3 == 0)
				}
			}
		})
	}
	wg.Wait()
}

func TestBudgetIsAShareOfTheRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0.1)
		retries := 0
		for range 5000 { // every request fails and wants as many retries as it can get
			b.Request()
			for range 3 {
				if b.Retry() {
					retries++
				}
			}
		}
		if retries != 500 {
			t.Errorf("%d retries of 5000 requests, want 500: amplification %.3f", retries, 1+float64(retries)/5000)
		}
	})
}

// The floor is spent at once, when there are hardly any requests yet. It must not come on top once that second is forgotten.
func TestBudgetHoldsOverManyWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(900 * time.Millisecond) // the first slot is a short one
		b := NewBudget(0.1)
		requests, retries := 0, 0
		for range 60 * 150 {
			time.Sleep(time.Second / 150)
			b.Request()
			requests++
			for range 3 {
				if b.Retry() {
					retries++
				}
			}
			if requests >= 100 && float64(retries) > 0.1*float64(requests) {
				t.Fatalf("%d retries of %d requests", retries, requests)
			}
		}
		if retries < requests*9/100 {
			t.Errorf("only %d retries of %d requests", retries, requests)
		}
	})
}

func TestBudgetHasAFloorAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0.1)
		spend := func() (n int) {
			for b.Retry() {
				n++
			}
			return n
		}
		if n := spend(); n != 10 {
			t.Errorf("%d retries without a request, want the floor of 10", n)
		}
		time.Sleep(11 * time.Second)
		if n := spend(); n != 10 {
			t.Errorf("%d retries eleven seconds later, want 10 again", n)
		}
		if NewBudget(0).Retry() {
			t.Error("a budget of nothing allowed a retry")
		}
	})
}

func BenchmarkAllowDone(b *testing.B) {
	br := New(nil)
	b.ReportAllocs()
	for b.Loop() {
		c, _ := br.Allow()
		br.Done(c, true)
	}
}
