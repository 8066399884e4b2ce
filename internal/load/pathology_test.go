package load

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/load/arrivals"
)

// near fails the test if got differs from want by more than a share of want.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if got < want*(1-tolerance) || got > want*(1+tolerance) {
		t.Errorf("%s: got %.4g, want %.4g within %.1f%%", what, got, want, 100*tolerance)
	}
}

// pathology measures a fake with open load and calls check with the step. It also logs what closed load reports of the
// same target.
func pathology(
	t *testing.T, o Options, rate float64, users int,
	answer func() func(int, time.Duration) (time.Duration, int), check func(*Step),
) {
	t.Helper()
	var s, closed *Step
	synctest.Test(t, func(t *testing.T) {
		g := newFake(answer()).generator(t, o)
		var err error
		if s, err = g.Rate(t.Context(), rate); err != nil {
			t.Fatal(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newFake(answer()).generator(t, o)
		var err error
		if closed, err = g.Users(t.Context(), users); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("open %g/s:    p50 %.1f p90 %.1f p99 %.1f p99.9 %.1f max %.1f ms, errors %.2f%%, achieved %.1f/s, valid %v %s",
		s.Offered, s.P50, s.P90, s.P99, s.P999, s.Max, 100*s.Errors, s.Achieved, s.Valid, s.InvalidReason)
	t.Logf("closed, %d users: p50 %.1f p90 %.1f p99 %.1f p99.9 %.1f max %.1f ms, errors %.2f%%, achieved %.1f/s",
		closed.Users, closed.P50, closed.P90, closed.P99, closed.P999, closed.Max, 100*closed.Errors, closed.Achieved)
	check(s)
}

// A target stalls for 2 s. At 100/s, 200 visitors arrive in this time and must all be measured as waiting.
func TestStallDelaysEveryVisitor(t *testing.T) {
	stall := func() func(int, time.Duration) (time.Duration, int) {
		return func(_ int, at time.Duration) (time.Duration, int) {
			return max(0, 7*time.Second-at)*b(at >= 5*time.Second) + time.Millisecond, 200
		}
	}
	o := Options{Duration: 20 * time.Second, Arrivals: arrivals.Even, Warmup: noWarmup()}
	pathology(t, o, 100, 1, stall, func(s *Step) {
		near(t, "requests", float64(s.Requests), 2000, 0)
		near(t, "p50", s.P50, 1, 0.01)
		near(t, "p99", s.P99, 1801, 0.01) // 10 % of the visits wait up to 2 s, so 1 % wait 1.8 s or more
		near(t, "max", s.Max, 2001, 0.001)
		if waited := s.latency.h.TotalCount() - countBelow(s, 5*time.Millisecond); waited < 199 || waited > 200 {
			t.Errorf("%d visits waited, want 200", waited)
		}
	})
}

// The target pauses for 200 ms after every 500 requests. Closed load with one user hardly notices. At 450/s the 99th
// percentile is 190 ms.
func TestPauseEvery500Requests(t *testing.T) {
	pause := func() func(int, time.Duration) (time.Duration, int) {
		var until time.Duration
		return func(n int, at time.Duration) (time.Duration, int) {
			if n%500 == 499 {
				until = at + 200*time.Millisecond
			}
			return max(0, until-at) + time.Millisecond, 200
		}
	}
	o := Options{Duration: 20 * time.Second, Arrivals: arrivals.Even, Warmup: noWarmup()}
	pathology(t, o, 450, 1, pause, func(s *Step) {
		// 90 of 500 visits fall into the pause, and the slowest 5 of them wait at least 189 ms.
		near(t, "p99", s.P99, 190, 0.03)
		near(t, "max", s.Max, 201, 0.01)
		near(t, "p50", s.P50, 1, 0.01)
		if !s.Valid {
			t.Errorf("invalid: %s", s.InvalidReason)
		}
	})
}

// The target is up to ten times slower in its first three seconds. Only the time after them must be measured.
func TestSlowStartIsNotMeasured(t *testing.T) {
	slow := func() func(int, time.Duration) (time.Duration, int) {
		return func(_ int, at time.Duration) (time.Duration, int) {
			factor := max(1, 10-3*at.Seconds())
			return time.Duration(factor * float64(20*time.Millisecond)), 200
		}
	}
	pathology(t, Options{Duration: 5 * time.Second}, 100, 4, slow, func(s *Step) {
		near(t, "p99", s.P99, 20, 0.05)
		if s.WarmupSeconds < 3 || s.WarmupSeconds > 6 || !s.Steady || !s.Valid {
			t.Errorf("warm-up of %.1f s, steady %v, valid %v (%s)", s.WarmupSeconds, s.Steady, s.Valid, s.InvalidReason)
		}
	})
}

func TestRandomErrors(t *testing.T) {
	faulty := func() func(int, time.Duration) (time.Duration, int) {
		random := rand.New(rand.NewPCG(1, 2))
		return func(int, time.Duration) (time.Duration, int) {
			if random.Float64() < 0.02 {
				return time.Millisecond, 503
			}
			return 10 * time.Millisecond, 200
		}
	}
	pathology(t, Options{Duration: 20 * time.Second}, 500, 4, faulty, func(s *Step) {
		near(t, "errors", s.Errors, 0.02, 0.21) // 10,000 requests: 3 standard errors are 21 %
		near(t, "p50", s.P50, 10, 0.01)
		if s.ErrorKinds["status 503"] != s.failed || !s.Valid {
			t.Errorf("errors %v, valid %v (%s)", s.ErrorKinds, s.Valid, s.InvalidReason)
		}
	})
}

// Above the capacity the queue grows without limit. The achieved rate is the capacity, and the step is invalid because
// of the target, not because of the generator.
func TestHardCapacity(t *testing.T) {
	eight := func() func(int, time.Duration) (time.Duration, int) { return gate(8, 50*time.Millisecond) }
	pathology(t, Options{Duration: 10 * time.Second}, 200, 8, eight, func(s *Step) {
		near(t, "achieved", s.Achieved, 160, 0.01)
		if s.Valid || s.ownFault {
			t.Errorf("valid %v (%s)", s.Valid, s.InvalidReason)
		}
	})
	pathology(t, Options{Duration: 10 * time.Second, Connections: 20, Warmup: noWarmup()}, 320, 8, eight, func(s *Step) {
		near(t, "achieved", s.Achieved, 160, 0.01)
		near(t, "max", s.Max, 5000, 0.05) // the last visits wait for half of the window
		if s.Valid || s.Unserved < 1500 || s.ownFault {
			t.Errorf("valid %v (%s), unserved %d", s.Valid, s.InvalidReason, s.Unserved)
		}
	})
	pathology(t, Options{Duration: 10 * time.Second}, 120, 8, eight, func(s *Step) {
		near(t, "achieved", s.Achieved, 120, 0.02)
		near(t, "in flight", s.InFlight, 120*s.latency.h.Mean()/1e9, 0.05)
		if !s.Valid {
			t.Errorf("invalid: %s", s.InvalidReason)
		}
	})
}

func b(yes bool) time.Duration {
	if yes {
		return 1
	}
	return 0
}

func countBelow(s *Step, d time.Duration) (n int64) {
	for _, bar := range s.latency.h.Distribution() {
		if bar.To <= int64(d) {
			n += bar.Count
		}
	}
	return n
}

// In a short step the last visit often ends after the window. That alone does not mean that the target is too slow.
func TestLastVisitAfterTheWindowIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFake(func(n int, _ time.Duration) (time.Duration, int) {
			if n == 4 { // begins at 0.8 s of 1 s
				return 250 * time.Millisecond, 200
			}
			return 5 * time.Millisecond, 200
		}).generator(t, Options{Duration: time.Second, Arrivals: arrivals.Even, Warmup: noWarmup()})
		s, err := g.Rate(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if s.Requests != 5 || s.Achieved != 4 || !s.Valid || s.InvalidReason != "" {
			t.Errorf("%d requests, achieved %v, valid %v: %s", s.Requests, s.Achieved, s.Valid, s.InvalidReason)
		}
	})
}
