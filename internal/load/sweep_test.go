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

func TestAnInterruptedSweepHasNoEmptyStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		warmup := 10 * time.Second
		g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 4 * time.Second, Warmup: &warmup})
		c, err := g.Sweep(ctx, 10, 1000, Objective{}, func(*Step) {})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Steps) != 1 || c.Steps[0].Incomplete {
			t.Errorf("%d steps, last %+v", len(c.Steps), c.Steps[len(c.Steps)-1])
		}
		if s := NewSize(2, c); s.Knee == nil || *s.Knee != (Knee{Rate: 10, Low: 10}) || !strings.HasPrefix(s.End, "it was interrupted: the objective held up to 10") {
			t.Errorf("%+v, knee %+v", s, s.Knee)
		}
	})
}

// What cannot be believed has its reason, and what held below it is a lower bound.
func TestAKneeThatIsALowerBound(t *testing.T) {
	late := "no step can be believed: the generator was late"
	s := search{low: 10, high: 100, seen: []tried{{10, Verdict{Held, ""}, true}, {20, Verdict{Unknown, late}, true}}}
	k, end := s.knee()
	if k == nil || *k != (Knee{Rate: 10, Low: 10}) || !strings.Contains(end, late) {
		t.Errorf("knee %+v: %s", k, end)
	}
	s.seen = s.seen[1:]
	if k, end := s.knee(); k != nil || end != late {
		t.Errorf("knee %+v: %s", k, end)
	}
	d := &Document{Unit: "requests/s", Objective: "p99=1s", Scaling: []Size{
		{Nodes: 1, Knee: &Knee{Rate: 10, Low: 10, High: 11}, Steps: []*Step{{Offered: 11}}},
		{Nodes: 2, Knee: &Knee{Rate: 20, Low: 20}, Steps: []*Step{{Offered: 25, Verdict: &Verdict{Unknown, late}, InvalidReason: "the generator was late"}}, End: end},
		{Nodes: 3, Steps: []*Step{{Offered: 12, Verdict: &Verdict{Broke, "p99 2s, limit 1s"}}}, End: "the objective broke at the lowest rate already, 12"},
	}}
	var b strings.Builder
	if err := d.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"≥ 20", "2 nodes: it held", "at 25: " + late + "\n", "3 nodes: the objective broke", "at 12: p99 2s, limit 1s"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "1 node:") {
		t.Errorf("it shows the steps of a knee that is known:\n%s", b.String())
	}
}

// Steps that were judged together are shown together, in the table and in the curve.
func TestRepeatedStepsAreShownTogether(t *testing.T) {
	n := 0
	synctest.Test(t, func(t *testing.T) {
		g := newFake(func(int, time.Duration) (time.Duration, int) {
			if n++; n%100 == 50 { // one in a hundred is slow: nobody knows on which side the 99th percentile lies
				return 120 * time.Millisecond, 200
			}
			return 10 * time.Millisecond, 200
		}).generator(t, Options{Duration: 10 * time.Second, Arrivals: Even, Warmup: noWarmup()})
		c, err := g.Sweep(t.Context(), 50, 50, objective(t, "p99=100ms"), func(*Step) {})
		if err != nil {
			t.Fatal(err)
		}
		last := c.Steps[len(c.Steps)-1]
		if len(c.Steps) != 3 || last.Joined == nil || last.Joined.Steps != 3 || last.Joined.Of != 3 || last.Joined.Requests != 1500 {
			t.Fatalf("%d steps, last %+v, joined %+v", len(c.Steps), last, last.Joined)
		}
		if first := c.Steps[0].Verdict; first.Outcome != Undecided || c.Steps[0].Joined != nil {
			t.Errorf("first verdict %+v", first)
		}
		var b strings.Builder
		if err := (&Document{Unit: "requests/s", Steps: c.Steps}).WriteText(&b); err != nil || !strings.Contains(b.String(), ", the 3 together\n") {
			t.Errorf("%v:\n%s", err, b.String())
		}
	})
}

// A bar twice as long is twice as slow; what broke does not hide what did not.
func TestCurveBeginsAtZero(t *testing.T) {
	held, broke := &Verdict{Outcome: Held}, &Verdict{Outcome: Broke}
	var b strings.Builder
	drawCurve(&b, []*Step{{Offered: 10, P99: 120, Verdict: held}, {Offered: 20, P99: 150, Verdict: held}}, nil)
	if !strings.Contains(b.String(), " "+strings.Repeat("#", 32)+" 120\n") || !strings.Contains(b.String(), " "+strings.Repeat("#", 40)+" 150\n") {
		t.Errorf("bars:\n%s", b.String())
	}
	b.Reset()
	drawCurve(&b, []*Step{{Offered: 10, P99: 100, Verdict: held}, {Offered: 20, P99: 10_000, Verdict: broke}}, nil)
	if !strings.Contains(b.String(), " ########## 100\n") || !strings.Contains(b.String(), strings.Repeat("!", 39)+"> 10,000\n") {
		t.Errorf("bars:\n%s", b.String())
	}
}
