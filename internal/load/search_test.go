package load

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load/arrivals"
)

func objective(t testing.TB, text string) curve.Objective {
	t.Helper()
	o, err := curve.ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// The target handles 8 requests at a time, 50 ms each, so its capacity is 160/s. Three searches with even arrivals
// agree.
func TestSearchFindsAKnownKnee(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			o := Options{Duration: 4 * time.Second, Arrivals: arrivals.Even, Seed: seed}
			g := newFake(gate(8, 50*time.Millisecond)).generator(t, o)
			c, err := g.Search(t.Context(), 20, 5000, objective(t, "p99=100ms,errors=0.1%"), nil)
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

// With random arrivals the 99th percentile rises before the capacity is reached: a queue with 8 servers of 50 ms each
// stays below 120 ms up to about 130/s. The search must agree with a simulation of that queue.
func TestSearchWithRandomArrivals(t *testing.T) {
	want := simulatedKnee(8, 50*time.Millisecond, 120*time.Millisecond)
	runs := uint64(1)
	if os.Getenv("TENFOLD_SOAK") != "" {
		runs = 3
	}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) {
			o := Options{Duration: 2 * time.Minute, Warmup: noWarmup(), Seed: seed}
			g := newFake(gate(8, 50*time.Millisecond)).generator(t, o)
			c, err := g.Search(t.Context(), 50, 200, objective(t, "p99=120ms"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.Knee == nil {
				t.Fatalf("no knee: %s", c.End)
			}
			t.Logf("knee %.1f (%.1f to %.1f), simulated %.1f, %d steps", c.Knee.Rate, c.Knee.Low, c.Knee.High, want,
				len(c.Steps))
			near(t, "knee", c.Knee.Rate, want, 0.05)
		})
	}
}

// simulatedKnee returns the highest rate at which the 99th percentile of the queue, over many Poisson arrivals, stays
// within limit.
func simulatedKnee(slots int, service, limit time.Duration) float64 {
	passes := func(rate float64) bool {
		const visits = 100_000
		answer := gate(slots, service)
		s := arrivals.New(arrivals.Poisson, rate, time.Duration(visits/rate*float64(time.Second)), 42)
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
		if mid := (low + high) / 2; passes(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func TestSearchEnds(t *testing.T) {
	tests := []struct {
		name      string
		low, high float64
		objective string
		knee      bool
		end       string
	}{
		{"passes everywhere", 10, 80, "p99=100ms", false, "the objective passed up to 80"},
		{"fails at once", 200, 400, "p99=100ms", false, "failed at the lowest rate, 200"},
		{"one rate", 100, 100, "p99=100ms", false, "passed up to 100"},
		{"fails between", 100, 200, "p99=100ms", true, "passed at"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 5 * time.Second, Arrivals: arrivals.Even})
				c, err := g.Search(t.Context(), test.low, test.high, objective(t, test.objective), nil)
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

func TestInterruptedSearchKeepsItsSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 10 * time.Second, Warmup: noWarmup()})
		c, err := g.Search(ctx, 10, 1000, curve.Objective{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := c.Steps[len(c.Steps)-1]
		if len(c.Steps) != 2 || !last.Incomplete || last.Valid || last.Requests == 0 ||
			!strings.HasPrefix(c.End, "interrupted: ") {
			t.Errorf("%d steps, last %+v, end %q", len(c.Steps), last, c.End)
		}
	})
}

// A step that was interrupted in its warm-up measured nothing and must not appear. The highest rate that passed is a
// lower bound of the knee.
func TestInterruptedSearchHasNoEmptyStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		warmup := 10 * time.Second
		g := newFake(gate(8, 50*time.Millisecond)).generator(t, Options{Duration: 4 * time.Second, Warmup: &warmup})
		d, err := g.Run(ctx, Test{Rates: [2]float64{10, 1000}})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Steps) != 1 || d.Steps[0].Incomplete || !d.Incomplete {
			t.Errorf("%d steps, last %+v, incomplete %v", len(d.Steps), d.Steps[len(d.Steps)-1], d.Incomplete)
		}
		s := Scaling([]SizeResult{{2, d}}).Scaling[0]
		if s.Knee == nil || *s.Knee != (curve.Knee{Rate: 10, Low: 10}) ||
			!strings.HasPrefix(s.End, "interrupted: the objective passed up to 10") {
			t.Errorf("%+v, knee %+v", s, s.Knee)
		}
	})
}

// If a rate has no credible step, the reason appears, and the highest rate that passed below it is a lower bound.
func TestKneeIsALowerBound(t *testing.T) {
	const late = "no step is credible: the generator was late"
	b := bisection{low: 10, high: 100, tried: []tried{
		{10, curve.Verdict{Outcome: curve.Pass}, true}, {20, curve.Verdict{Outcome: curve.Invalid, Reason: late}, true},
	}}
	k, end := b.result()
	if k == nil || *k != (curve.Knee{Rate: 10, Low: 10}) || !strings.Contains(end, late) {
		t.Errorf("knee %+v: %s", k, end)
	}
	b.tried = b.tried[1:]
	if k, end := b.result(); k != nil || end != late {
		t.Errorf("knee %+v: %s", k, end)
	}
}

func TestScalingDocument(t *testing.T) {
	pass, fail := &curve.Verdict{Outcome: curve.Pass}, &curve.Verdict{Outcome: curve.Fail}
	d := Scaling([]SizeResult{
		{1, &curve.Document{Target: "/", Unit: curve.Visits, Knee: &curve.Knee{Rate: 10, High: 11}, End: "found"}},
		{2, &curve.Document{Steps: []curve.Step{{Offered: 20, Verdict: pass}, {Offered: 40, Verdict: fail},
			{Offered: 30, Verdict: fail},
			{Offered: 30, Verdict: pass}, {Offered: 35, Verdict: pass}, {Offered: 34, Verdict: fail}}, End: "late"}},
		{3, &curve.Document{Steps: []curve.Step{{Offered: 20, Verdict: fail}}, End: "failed"}},
	})
	if d.Target != "/" || d.Unit != curve.Visits || !d.SharedCores || d.Knee != nil || d.End != "" || len(d.Scaling) != 3 {
		t.Fatalf("%+v", d)
	}
	if k := d.Scaling[1].Knee; k == nil || *k != (curve.Knee{Rate: 30, Low: 30}) || d.Scaling[2].Knee != nil {
		t.Errorf("knees %+v, %+v", k, d.Scaling[2].Knee)
	}
	notes := strings.Join(d.Notes, "\n")
	for _, want := range []string{"2 nodes: the knee is a lower bound: late", "3 nodes: no knee: failed",
		"shared the cores"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "1 node:") {
		t.Errorf("a note about an exact knee:\n%s", notes)
	}
}

// An inconclusive rate is measured again. The verdict is about the merged steps.
func TestRepeatedStepsAreMerged(t *testing.T) {
	n := 0
	synctest.Test(t, func(t *testing.T) {
		g := newFake(func(int, time.Duration) (time.Duration, int) {
			if n++; n%100 == 50 { // 1 % is slow, so that the 99th percentile can be on either side of the limit
				return 120 * time.Millisecond, 200
			}
			return 10 * time.Millisecond, 200
		}).generator(t, Options{Duration: 10 * time.Second, Arrivals: arrivals.Even, Warmup: noWarmup()})
		c, err := g.Search(t.Context(), 50, 50, objective(t, "p99=100ms"), nil)
		if err != nil {
			t.Fatal(err)
		}
		last := c.Steps[len(c.Steps)-1]
		if len(c.Steps) != 3 || last.Merged == nil || last.Merged.Steps != 3 || last.Merged.Of != 3 ||
			last.Merged.Requests != 1500 {
			t.Fatalf("%d steps, last %+v, merged %+v", len(c.Steps), last, last.Merged)
		}
		if first := c.Steps[0]; first.Outcome() != curve.Inconclusive || first.Merged != nil {
			t.Errorf("first verdict %+v", first.Verdict)
		}
	})
}
