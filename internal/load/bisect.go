package load

import (
	"fmt"
	"math"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// kneeWidth is the largest ratio of the rates that passed and failed at which the search ends.
const kneeWidth = 1.05

// bisection decides which rate to offer next: it doubles the rate and then bisects. It depends only on the rates that
// were tried.
type bisection struct {
	low, high float64
	tried     []tried
}

// tried is a rate with its verdict.
type tried struct {
	rate float64
	curve.Verdict
	clear bool // the verdict does not depend on values within the confidence interval
}

// next returns the next rate, or false if the knee is known as well as it can be.
func (b *bisection) next() (float64, bool) {
	passed, other := b.limits()
	switch {
	case len(b.tried) == 0:
		return b.low, true
	case passed == 0: // the first rate did not pass
		return 0, false
	case other == 0:
		return min(2*passed, b.high), passed < b.high
	}
	return roundRate(math.Sqrt(passed * other)), other/passed > kneeWidth
}

// limits returns the lowest rate that did not pass, and the highest rate below it that passed. Each is 0 if it does not
// exist.
func (b *bisection) limits() (passed, other float64) {
	for _, t := range b.tried {
		if t.Outcome != curve.Pass && (other == 0 || t.rate < other) {
			other = t.rate
		}
	}
	for _, t := range b.tried {
		if t.Outcome == curve.Pass && t.rate > passed && (other == 0 || t.rate < other) {
			passed = t.rate
		}
	}
	return passed, other
}

// roundRate rounds a rate to four digits.
func roundRate(rate float64) float64 {
	digits := 3 - math.Floor(math.Log10(rate))
	if unit := math.Pow(10, -digits); digits < 0 {
		return math.Round(rate/unit) * unit
	}
	scale := math.Pow(10, digits) // a whole number, unlike its inverse, so that 10.37 does not become 10.370000000000001
	return math.Round(rate*scale) / scale
}

// result returns the knee, or nil, and why the search ended.
func (b *bisection) result() (*curve.Knee, string) {
	passed, other := b.limits()
	switch {
	case passed == 0 && len(b.tried) == 0:
		return nil, "no rate was decided"
	case passed == 0 && b.tried[0].Outcome == curve.Fail:
		return nil, fmt.Sprintf("the objective failed at the lowest rate, %s", report.Short(b.low))
	case passed == 0:
		return nil, b.tried[0].Reason
	case other == 0:
		return nil, fmt.Sprintf("the objective passed up to %s: the knee is higher", report.Short(passed))
	}
	k := &curve.Knee{Rate: passed}
	for _, t := range b.tried {
		switch {
		case t.Outcome == curve.Pass && t.clear && t.rate <= passed:
			k.Low = max(k.Low, t.rate)
		case t.Outcome == curve.Fail && (k.High == 0 || t.rate < k.High):
			k.High = t.rate
		}
	}
	for _, t := range b.tried {
		if t.rate == other && t.Outcome != curve.Fail {
			return k, fmt.Sprintf("passed at %s; at %s: %s, so the knee may be higher",
				report.Short(passed), report.Short(other), t.Reason)
		}
	}
	return k, fmt.Sprintf("passed at %s and failed at %s", report.Short(passed), report.Short(other))
}
