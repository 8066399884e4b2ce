package load

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A target that goes on with what nobody waits for any more is waited for: 20 s of twice its capacity leave 20 s of work.
func TestAStepWaitsForWhatTheStepBeforeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Duration: 20 * time.Second, Warmup: noWarmup(), Arrivals: Even, Timeout: time.Second}
		g := newFake(gate(8, 50*time.Millisecond)).generator(t, o)
		var steps []*Step
		c, err := g.Sweep(t.Context(), 80, 320, objective(t, "p99=200ms"), func(s *Step) { steps = append(steps, s) })
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) < 4 || steps[2].Offered != 320 || steps[3].RecoverySeconds < 15 || steps[3].RecoverySeconds > 25 {
			t.Fatalf("%d steps, recovery %v", len(steps), steps[3].RecoverySeconds)
		}
		for _, s := range steps[:3] {
			if s.RecoverySeconds > 0 {
				t.Errorf("%v/s: waited for %v s", s.Offered, s.RecoverySeconds)
			}
		}
		near(t, "knee", c.Knee.Rate, 160, 0.05)
	})
}

// A target that does not come back from an overload is not waited for for ever, and nothing below is held against it.
func TestATargetThatDoesNotRecover(t *testing.T) {
	const usual = 10 * time.Millisecond
	for name, test := range map[string]struct {
		after  func() (time.Duration, int) // once it was asked more than 150 times in a second
		waited time.Duration
		calm   bool
	}{
		"slow":    {func() (time.Duration, int) { return 2 * time.Second, 200 }, slowFor, false},
		"refuses": {func() (time.Duration, int) { return usual, 503 }, failingFor, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broken, since, n := false, time.Duration(0), 0
				g := newFake(func(_ int, at time.Duration) (time.Duration, int) {
					if n++; at-since > time.Second {
						since, n = at, 0
					}
					if broken = broken || n > 150; broken {
						return test.after()
					}
					return usual, 200
				}).generator(t, Options{Duration: 5 * time.Second, Warmup: noWarmup(), Arrivals: Even})
				var steps []*Step
				c, err := g.Sweep(t.Context(), 100, 200, objective(t, "p99=500ms,errors=1%"), func(s *Step) { steps = append(steps, s) })
				if err != nil {
					t.Fatal(err)
				}
				last := steps[len(steps)-1]
				if waited := time.Duration(last.RecoverySeconds * float64(time.Second)); waited < test.waited || waited > test.waited+5*time.Second {
					t.Errorf("waited for %v", waited)
				}
				doubted := strings.Contains(last.InvalidReason, "after the step before the target was still slower than usual")
				if doubted == test.calm || !test.calm && (c.Knee == nil || last.Verdict.Outcome != Unknown) {
					t.Errorf("%+v, knee %+v, %s", last.Verdict, c.Knee, last.InvalidReason)
				}
			})
		})
	}
}

// The end of the run ends the waiting.
func TestSettlingIsOverWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFake(func(int, time.Duration) (time.Duration, int) { return time.Hour, 200 }).generator(t, Options{Timeout: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if _, ok := g.settle(ctx, time.Millisecond); !ok || time.Since(begin) != time.Minute {
			t.Errorf("%v, %v", time.Since(begin), ok)
		}
	})
}
