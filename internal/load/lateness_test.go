package load

import (
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
)

func TestDistorts(t *testing.T) {
	const ms, us = time.Millisecond, time.Microsecond
	for _, c := range []struct {
		lag, latency time.Duration
		want         bool
	}{
		{0, 0, false},
		{ms, 0, false}, // up to a millisecond never counts
		{ms, 2 * ms, false},
		{ms + 1, 2 * ms, true},
		{ms + 1, 10 * ms, true},
		{ms + us, 10*ms + 10*us, false},
		{ms + 100*us, 1900 * ms, false},
		{190 * ms, 1900 * ms, false}, // exactly a tenth
		{190*ms + 1, 1900 * ms, true},
		{time.Second, 1900 * ms, true},
	} {
		if got := distorts(c.lag, c.latency); got != c.want {
			t.Errorf("%v late, latency %v: %v, want %v", c.lag, c.latency, got, c.want)
		}
	}
}

// delayedStep returns a step of 1,000 requests that took latency, of which so many were sent too late by lag.
func delayedStep(latency time.Duration, delayed int, lag time.Duration) *Step {
	s := &Step{Step: curve.Step{Requests: 1000}, open: true, planned: 1000, finished: 1000}
	for i := range 1000 {
		s.latency.record(latency)
		if i < delayed {
			s.lag.record(lag)
		} else {
			s.lag.record(10 * time.Microsecond)
		}
	}
	return s
}

// The lateness of the generator is compared with the latency that the verdict rests on, in both directions: it must not
// turn a pass into a fail, and a fail that it cannot explain stays a fail.
func TestLatenessAgainstTheVerdict(t *testing.T) {
	const ms = time.Millisecond
	closed := delayedStep(1100*ms, 50, 900*ms)
	closed.open = false
	for _, c := range []struct {
		name      string
		objective string
		step      *Step
		valid     bool
		want      curve.Outcome // of a step that may be measured again
		final     curve.Outcome // of the last try
	}{
		{"a slow target, and a little late", "p99=1s", delayedStep(1900*ms, 50, ms+100*time.Microsecond), true, curve.Fail, curve.Fail},
		{"a pass, and a little late", "p99=2s", delayedStep(1900*ms, 50, 2*ms), true, curve.Pass, curve.Pass},
		{"almost a tenth", "p99=1s", delayedStep(1900*ms, 50, 189*ms), true, curve.Fail, curve.Fail},
		{"more than a tenth, a fail", "p99=1s", delayedStep(1100*ms, 50, 300*ms), false, curve.Invalid, curve.Invalid},
		{"more than a tenth, a pass", "p99=1s", delayedStep(900*ms, 50, 300*ms), false, curve.Pass, curve.Pass},
		{"a fail that the lateness explains", "p99=1s", delayedStep(1050*ms, 50, 100*ms), true, curve.Inconclusive, curve.Fail},
		{"a fail that the lateness does not explain", "p99=1s", delayedStep(1200*ms, 50, 100*ms), true, curve.Fail, curve.Fail},
		{"late, but fewer than one of a hundred", "p99=1s", delayedStep(1100*ms, 9, 900*ms), true, curve.Fail, curve.Fail},
		{"late, and the objective is about the largest", "max=1s", delayedStep(1100*ms, 1, 900*ms), false, curve.Invalid, curve.Invalid},
		{"late for a low median", "p50=10ms,p99=2s", delayedStep(20*ms, 50, 3*ms), false, curve.Invalid, curve.Invalid},
		{"no limit of the latency", "errors=1%", delayedStep(20*ms, 50, 3*ms), false, curve.Pass, curve.Pass},
		{"closed load has no schedule", "p99=1s", closed, true, curve.Fail, curve.Fail},
	} {
		o := objective(t, c.objective)
		c.step.judgeLag(o)
		first, _ := judge(o, []*Step{c.step}, false)
		last, _ := judge(o, []*Step{c.step}, true)
		if c.step.Valid != c.valid || first.Outcome != c.want || last.Outcome != c.final {
			t.Errorf("%s: valid %v (%s), %s (%s), then %s; want %v, %s, %s", c.name, c.step.Valid, c.step.InvalidReason,
				first.Outcome, first.Reason, last.Outcome, c.valid, c.want, c.final)
		}
	}
}

// The objective decides anew which lateness counts, and other doubts stay.
func TestJudgeLagReplacesItsDoubt(t *testing.T) {
	s := delayedStep(100*time.Millisecond, 50, 9*time.Millisecond)
	s.judgeLag(curve.Objective{})
	if !s.Valid || s.ownFault {
		t.Errorf("without an objective: %s", s.InvalidReason)
	}
	s.doubts = []doubt{{text: "achieved 60% of the offered rate"}}
	s.judgeLag(objective(t, "p99.9=1s"))
	if s.Valid || s.ownFault || s.InvalidReason != "achieved 60% of the offered rate" {
		t.Errorf("valid %v, own %v: %s", s.Valid, s.ownFault, s.InvalidReason)
	}
	delayed := delayedStep(50*time.Millisecond, 50, 9*time.Millisecond)
	delayed.doubts = s.doubts
	delayed.judgeLag(curve.Objective{})
	if !delayed.ownFault || !delayed.onlyLate || !strings.Contains(delayed.InvalidReason,
		"; the generator was late: p99 of the lateness of sending 9") {
		t.Errorf("own %v, only late %v: %s", delayed.ownFault, delayed.onlyLate, delayed.InvalidReason)
	}
	delayed.doubts = append(delayed.doubts, doubt{"the generator used 95% of its cores", true})
	delayed.judgeLag(curve.Objective{})
	if !delayed.ownFault || delayed.onlyLate {
		t.Errorf("own %v, only late %v: %s", delayed.ownFault, delayed.onlyLate, delayed.InvalidReason)
	}
}
