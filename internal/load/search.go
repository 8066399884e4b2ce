package load

import (
	"context"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// SearchResult is what a search found.
type SearchResult struct {
	Steps []*Step
	Knee  *curve.Knee // nil: no rate passed, or no rate failed
	End   string      // why the search ended
}

// maxRepeats is how often a rate is measured at most.
const maxRepeats = 3

// Search finds the knee. It offers rates from low to high, doubles the rate until the objective fails, and then narrows
// the knee down to 5 %. It calls onStep, if it is not nil, after each step. If ctx ends, it returns the steps so far.
// It fails if the rates are out of range or the generator cannot start.
func (g *Generator) Search(
	ctx context.Context, low, high float64, o curve.Objective, onStep func(*curve.Step),
) (*SearchResult, error) {
	switch {
	case !(low > 0 && low <= high):
		return nil, fmt.Errorf("rates %s to %s: want a first rate above 0 and not above the second",
			report.Short(low), report.Short(high))
	case high > MaxRate:
		return nil, fmt.Errorf("highest rate %s: want at most %s", report.Short(high), report.Short(MaxRate))
	}
	b := bisection{low: low, high: high}
	result := &SearchResult{}
	for {
		rate, more := b.next()
		if !more || ctx.Err() != nil {
			break
		}
		steps, verdict, err := g.decide(ctx, rate, result.usual(), o, onStep)
		if err != nil {
			return nil, err
		}
		result.Steps = append(result.Steps, steps...)
		if ctx.Err() != nil && !verdict.Outcome.Decided() {
			break
		}
		single, _ := judge(o, steps, false)
		b.tried = append(b.tried, tried{rate, verdict, single.Outcome == verdict.Outcome})
	}
	result.Knee, result.End = b.result()
	if ctx.Err() != nil {
		result.End = "interrupted: " + result.End
	}
	return result, nil
}

// usual returns the 99th percentile of the latency at the first rate that passed, or 0 if no rate has passed yet.
func (r *SearchResult) usual() time.Duration {
	for _, s := range r.Steps {
		if s.Outcome() == curve.Pass {
			return s.latency.quantile(0.99)
		}
	}
	return 0
}

// decide measures a rate, and again while its verdict is neither pass nor fail. If usual is known, it first waits until
// the target has recovered from the previous step.
func (g *Generator) decide(
	ctx context.Context, rate float64, usual time.Duration, o curve.Objective, onStep func(*curve.Step),
) (steps []*Step, v curve.Verdict, err error) {
	for n := 1; n <= maxRepeats && ctx.Err() == nil && !v.Outcome.Decided(); n++ {
		waited, recovered := time.Duration(0), true
		if usual > 0 {
			waited, recovered = g.awaitRecovery(ctx, usual)
		}
		step, err := g.Rate(ctx, rate)
		if err != nil {
			return nil, v, err
		}
		if step.Empty() {
			break
		}
		step.addRecovery(waited, recovered)
		step.judgeLag(o)
		steps = append(steps, step)
		var used []*Step
		v, used = judge(o, steps, n == maxRepeats)
		step.Verdict = &curve.Verdict{Outcome: v.Outcome, Reason: v.Reason}
		if n > 1 && len(used) > 0 {
			step.Merged = merge(used, n)
		}
		if onStep != nil {
			onStep(&step.Step)
		}
	}
	return steps, v, nil
}
