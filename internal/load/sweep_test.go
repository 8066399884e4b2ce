package load

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func objective(t testing.TB, text string) (o Objective) {
	t.Helper()
	if err := o.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return o
}

// A target that works on 8 requests at a time, 50 ms each, carries 160/s. Three sweeps with different arrivals agree.
func TestSweepFindsAKnownKnee(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 4 * time.Second, Arrivals: Even, Seed: seed})
			c, err := g.Sweep(t.Context(), 20, 5000, objective(t, "p99=100ms,errors=0.1%"), func(*Step) {})
			if err != nil {
				t.Fatal(err)
			}
			if c.Knee == nil {
				t.Fatalf("no knee: %s", c.End)
			}
			t.Logf("knee %.1f (%.1f to %.1f), %d steps", c.Knee.Rate, c.Knee.Low, c.Knee.High, len(c.Steps))
			near(t, "knee", c.Knee.Rate, 160, 0.05)
			if c.Knee.Low > 160 || c.Knee.High < 160 {
				t.Errorf("160/s is not within %.1f to %.1f", c.Knee.Low, c.Knee.High)
			}
		})
	}
}

// With random arrivals the 99th percentile rises before the capacity is reached: a queue of 8 servers with 50 ms each
// keeps 120 ms up to about 130/s. The sweeps agree with each other, and with a simulation of that queue.
func TestSweepWithRandomArrivals(t *testing.T) {
	want := simulatedKnee(8, 50*time.Millisecond, 120*time.Millisecond)
	runs := uint64(1)
	if os.Getenv("TENFOLD_SOAK") != "" {
		runs = 3
	}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) {
			g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 2 * time.Minute, Warmup: noWarmup(), Seed: seed})
			c, err := g.Sweep(t.Context(), 50, 200, objective(t, "p99=120ms"), func(*Step) {})
			if err != nil {
				t.Fatal(err)
			}
			if c.Knee == nil {
				t.Fatalf("no knee: %s", c.End)
			}
			t.Logf("knee %.1f (%.1f to %.1f), simulated %.1f, %d steps", c.Knee.Rate, c.Knee.Low, c.Knee.High, want, len(c.Steps))
			near(t, "knee", c.Knee.Rate, want, 0.05)
		})
	}
}

// simulatedKnee is the highest rate at which the queue itself, over many Poisson arrivals, keeps limit at p99.
func simulatedKnee(slots int, service, limit time.Duration) float64 {
	holds := func(rate float64) bool {
		const visits = 100_000
		answer := gate(slots, service)
		s := NewSchedule(Poisson, rate, time.Duration(visits/rate*float64(time.Second)), 42)
		var h histogram
		for {
			at, ok := s.Next()
			if !ok {
				return h.quantile(0.99) <= limit
			}
			d, _ := answer(0, at)
			h.record(d)
		}
	}
	low, high := 1.0, float64(slots)/service.Seconds()
	for high/low > 1.005 {
		if mid := (low + high) / 2; holds(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func TestSweepEnds(t *testing.T) {
	tests := []struct {
		name      string
		low, high float64
		objective string
		knee      bool
		end       string
	}{
		{"holds everywhere", 10, 80, "p99=100ms", false, "the objective held up to 80"},
		{"breaks at once", 200, 400, "p99=100ms", false, "broke at the lowest rate already, 200"},
		{"one rate", 100, 100, "p99=100ms", false, "held up to 100"},
		{"breaks between", 100, 200, "p99=100ms", true, "it held at"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 5 * time.Second, Arrivals: Even})
				c, err := g.Sweep(t.Context(), test.low, test.high, objective(t, test.objective), func(*Step) {})
				if err != nil {
					t.Fatal(err)
				}
				if (c.Knee != nil) != test.knee || !strings.Contains(c.End, test.end) {
					t.Errorf("knee %v, %q; want %v, %q", c.Knee, c.End, test.knee, test.end)
				}
			})
		})
	}
}

func TestAnInterruptedSweepKeepsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 10 * time.Second, Warmup: noWarmup()})
		c, err := g.Sweep(ctx, 10, 1000, Objective{}, func(*Step) {})
		if err != nil {
			t.Fatal(err)
		}
		last := c.Steps[len(c.Steps)-1]
		if len(c.Steps) != 2 || !last.Incomplete || last.Valid || last.Requests == 0 || !strings.HasPrefix(c.End, "it was interrupted") {
			t.Errorf("%d steps, last %+v, end %q", len(c.Steps), last, c.End)
		}
	})
}
