package load

import (
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// stepOf returns a step with that many fast requests, slow requests and errors.
func stepOf(fast, slow, failed int) *Step {
	s := &Step{
		Step:   curve.Step{Valid: true, Requests: int64(fast + slow)},
		failed: int64(failed), planned: float64(fast + slow), finished: float64(fast + slow),
	}
	for range fast {
		s.latency.record(10 * time.Millisecond)
	}
	for range slow {
		s.latency.record(time.Second)
	}
	return s
}

func TestVerdicts(t *testing.T) {
	late := stepOf(1000, 0, 0)
	late.Valid, late.ownFault = false, true
	lateSlow := stepOf(900, 100, 0)
	lateSlow.Valid, lateSlow.ownFault = false, true
	far := stepOf(900, 100, 0)
	far.Valid, far.ownFault, far.onlyLate = false, true, true
	far.lag.record(5 * time.Millisecond)
	near := stepOf(900, 100, 0)
	near.Valid, near.ownFault, near.onlyLate = false, true, true
	near.lag.record(100 * time.Millisecond)
	behind := stepOf(1000, 0, 0)
	behind.finished = 900
	little := stepOf(1000, 0, 0)
	little.finished, little.chance = 950, 60
	tests := []struct {
		name  string
		steps []*Step
		final bool
		want  curve.Outcome
	}{
		{"all requests are fast", []*Step{stepOf(1000, 0, 0)}, false, curve.Pass},
		{"3 % are slow", []*Step{stepOf(970, 30, 0)}, false, curve.Fail},
		{"0.9 % are slow: chance could make it 1 %", []*Step{stepOf(991, 9, 0)}, false, curve.Inconclusive},
		{"0.9 % are slow, final", []*Step{stepOf(991, 9, 0)}, true, curve.Pass},
		{"1.2 % are slow, final", []*Step{stepOf(988, 12, 0)}, true, curve.Fail},
		{"two steps are merged", []*Step{stepOf(9_930, 70, 0), stepOf(9_930, 70, 0)}, false, curve.Pass},
		{"too many errors", []*Step{stepOf(1000, 0, 30)}, false, curve.Fail},
		{"slightly more errors than allowed: chance could explain it", []*Step{stepOf(1000, 0, 11)}, false,
			curve.Inconclusive},
		{"throughput below the rate", []*Step{behind}, false, curve.Fail},
		{"throughput below the rate by chance", []*Step{little}, false, curve.Pass},
		{"late and fast", []*Step{late}, false, curve.Pass},
		{"late and slow", []*Step{lateSlow}, true, curve.Invalid},
		{"late by 5 ms, and 800 ms over the limit", []*Step{far}, false, curve.Fail},
		{"late by 100 ms, and 800 ms over the limit", []*Step{near}, true, curve.Invalid},
		{"late and slow, then slow", []*Step{lateSlow, stepOf(900, 100, 0)}, false, curve.Fail},
	}
	o := objective(t, "p99=200ms,errors=1%")
	for _, test := range tests {
		if v, _ := judge(o, test.steps, test.final); v.Outcome != test.want {
			t.Errorf("%s: %s (%s), want %s", test.name, v.Outcome, v.Reason, test.want)
		}
	}
}

func TestSteady(t *testing.T) {
	at := func(done int64, p50 time.Duration) bin { return bin{done, p50, p50, p50} }
	tests := []struct {
		name string
		bins []bin
		want bool
	}{
		{"too few", []bin{at(100, 10), at(100, 10)}, false},
		{"steady", []bin{at(100, 1000), at(103, 1020), at(98, 990)}, true},
		{"falling", []bin{at(100, 1200), at(100, 1100), at(100, 1000)}, false},
		{"fell, then steady", []bin{at(100, 5000), at(100, 1000), at(100, 1010), at(100, 1000)}, true},
		{"rate rises", []bin{at(1000, 1000), at(2000, 1000), at(3000, 1000)}, false},
		{"no requests", []bin{at(0, 0), at(0, 0), at(0, 0)}, false},
		{"few requests differ by chance", []bin{{4, 1000, 800, 1500}, {6, 1300, 900, 1600}, {5, 1200, 700, 1400}}, true},
	}
	for _, test := range tests {
		if got := steady(test.bins); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
