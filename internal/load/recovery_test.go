package load

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load/arrivals"
)

// After 20 s at twice its capacity, the target needs 20 s to empty its queue, although the clients have gone. The next
// step must wait for it.
func TestStepWaitsUntilTheQueueIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Duration: 20 * time.Second, Warmup: noWarmup(), Arrivals: arrivals.Even, Timeout: time.Second}
		g := newFake(gate(8, 50*time.Millisecond)).generator(t, o)
		var steps []*curve.Step
		c, err := g.Search(t.Context(), 80, 320, objective(t, "p99=200ms"), func(s *curve.Step) { steps = append(steps, s) })
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) < 4 || steps[2].Offered != 320 || steps[3].RecoverySeconds < 15 || steps[3].RecoverySeconds > 25 {
			t.Fatalf("%d steps, recovery %v", len(steps), steps[3].RecoverySeconds)
		}
		for _, s := range steps[:3] {
			if s.RecoverySeconds > 0 {
				t.Errorf("%v/s: waited %v s", s.Offered, s.RecoverySeconds)
			}
		}
		near(t, "knee", c.Knee.Rate, 160, 0.05)
	})
}

// The wait for a target that does not recover from an overload is limited. If such a target is slow, a fail below that
// rate does not count.
func TestTargetDoesNotRecover(t *testing.T) {
	const usual = 10 * time.Millisecond
	for name, test := range map[string]struct {
		after     func() (time.Duration, int) // behaviour after more than 150 requests in a second
		waited    time.Duration
		recovered bool
	}{
		"slow":    {func() (time.Duration, int) { return 2 * time.Second, 200 }, maxRecovery, false},
		"refuses": {func() (time.Duration, int) { return usual, 503 }, maxFailing, true},
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
				}).generator(t, Options{Duration: 5 * time.Second, Warmup: noWarmup(), Arrivals: arrivals.Even})
				var steps []*curve.Step
				c, err := g.Search(t.Context(), 100, 200, objective(t, "p99=500ms,errors=1%"),
					func(s *curve.Step) { steps = append(steps, s) })
				if err != nil {
					t.Fatal(err)
				}
				last := steps[len(steps)-1]
				if waited := time.Duration(last.RecoverySeconds * float64(time.Second)); waited < test.waited ||
					waited > test.waited+5*time.Second {
					t.Errorf("waited %v, want %v", waited, test.waited)
				}
				distrusted := strings.Contains(last.InvalidReason, "the target was still slower than usual")
				if distrusted == test.recovered || !test.recovered && (c.Knee == nil || last.Outcome() != curve.Invalid) {
					t.Errorf("%+v, knee %+v, %s", last.Verdict, c.Knee, last.InvalidReason)
				}
			})
		})
	}
}

func TestRecoveryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFake(func(int, time.Duration) (time.Duration, int) { return time.Hour, 200 }).generator(t,
			Options{Timeout: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if _, ok := g.awaitRecovery(ctx, time.Millisecond); !ok || time.Since(begin) != time.Minute {
			t.Errorf("ended after %v, %v, want 1m0s, true", time.Since(begin), ok)
		}
	})
}
