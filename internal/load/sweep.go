package load

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Knee is the highest offered rate at which the objective held and the throughput followed the rate.
type Knee struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low,omitempty"`  // held for certain; 0 when no rate did
	High float64 `json:"high,omitempty"` // broke for certain; 0 when not known
}

// Curve is what a sweep found.
type Curve struct {
	Steps []*Step
	Knee  *Knee  // nil when the objective did not hold anywhere, or broke nowhere
	End   string // why the sweep ended

	held float64 // the highest rate that held below all that did not; 0 when there is none
}

const (
	kneeWidth = 1.05 // how far apart what held and what broke may be
	repeats   = 3    // how often a rate is measured at most
)

// Sweep offers rates from low to high, doubling until the objective breaks, and narrows down to 5 % where. An interrupted
// sweep returns what it has.
func (g *Generator) Sweep(ctx context.Context, low, high float64, o Objective, each func(*Step)) (*Curve, error) {
	if !(low > 0 && low <= high) {
		return nil, fmt.Errorf("rates %s..%s: the first must be above 0 and not above the second", number(low), number(high))
	}
	if high > MaxRate {
		return nil, fmt.Errorf("rates up to %s: want at most %s", number(high), number(MaxRate))
	}
	s := search{low: low, high: high}
	c := &Curve{}
	for {
		rate, more := s.next()
		if !more || ctx.Err() != nil {
			break
		}
		steps, verdict, err := g.decide(ctx, rate, c.usual(), o, each)
		if err != nil {
			return nil, err
		}
		c.Steps = append(c.Steps, steps...)
		if decided := verdict.Outcome == Held || verdict.Outcome == Broke; !decided && ctx.Err() != nil {
			break
		}
		s.seen = append(s.seen, tried{rate, verdict, o.Judge(steps, false).Outcome == verdict.Outcome})
	}
	c.held, _ = s.limits()
	c.Knee, c.End = s.knee()
	if ctx.Err() != nil {
		c.End = "it was interrupted: " + c.End
	}
	return c, nil
}

// usual is what requests take under a load that is carried with ease; 0 when that is not known.
func (c *Curve) usual() time.Duration {
	for _, s := range c.Steps {
		if s.Verdict.Outcome == Held {
			return s.latency.quantile(0.99)
		}
	}
	return 0
}

// decide measures a rate, and again where that does not decide.
func (g *Generator) decide(ctx context.Context, rate float64, usual time.Duration, o Objective, each func(*Step)) (
	steps []*Step, v Verdict, err error) {
	for n := 1; n <= repeats && ctx.Err() == nil; n++ {
		recovery, recovered := time.Duration(0), true
		if usual > 0 {
			recovery, recovered = g.settle(ctx, usual)
		}
		step, err := g.Rate(ctx, rate)
		if err != nil {
			return nil, v, err
		}
		if step.Empty() {
			break
		}
		step.follow(recovery, recovered)
		steps = append(steps, step)
		var of []*Step
		v, of = o.judgeJoined(steps, n == repeats)
		step.Verdict = &Verdict{v.Outcome, v.Reason}
		if n > 1 && len(of) > 0 {
			step.Joined = join(of, n)
		}
		each(step)
		if v.Outcome == Held || v.Outcome == Broke {
			break
		}
	}
	return steps, v, nil
}

// tried is a rate that was decided.
type tried struct {
	rate float64
	Verdict
	clear bool // by more than chance explains
}

// search decides what to offer next. It is a function of what was seen.
type search struct {
	low, high float64
	seen      []tried
}

// limits are the highest rate that held below the lowest that did not, and that one; 0 when there is none.
func (s *search) limits() (held, not float64) {
	for _, t := range s.seen {
		if t.Outcome != Held && (not == 0 || t.rate < not) {
			not = t.rate
		}
	}
	for _, t := range s.seen {
		if t.Outcome == Held && t.rate > held && (not == 0 || t.rate < not) {
			held = t.rate
		}
	}
	return held, not
}

// next returns the next rate, or false when the knee is known as well as it can be.
func (s *search) next() (float64, bool) {
	held, not := s.limits()
	switch {
	case len(s.seen) == 0:
		return s.low, true
	case held == 0: // not even the first
		return 0, false
	case not == 0:
		return min(2*held, s.high), held < s.high
	}
	return tidy(math.Sqrt(held * not)), not/held > kneeWidth
}

// tidy rounds a rate to three digits: nobody reads more.
func tidy(rate float64) float64 {
	digits := 3 - math.Floor(math.Log10(rate))
	if unit := math.Pow(10, -digits); digits < 0 {
		return math.Round(rate/unit) * unit
	}
	scale := math.Pow(10, digits) // whole, unlike its inverse: no 10.370000000000001
	return math.Round(rate*scale) / scale
}

// knee says what the search came to.
func (s *search) knee() (*Knee, string) {
	held, not := s.limits()
	if held == 0 {
		if len(s.seen) > 0 && s.seen[0].Outcome == Broke {
			return nil, fmt.Sprintf("the objective broke at the lowest rate already, %s", number(s.low))
		}
		if len(s.seen) > 0 {
			return nil, s.seen[0].Reason
		}
		return nil, "no rate was decided"
	}
	if not == 0 {
		return nil, fmt.Sprintf("the objective held up to %s: where it breaks is beyond", number(held))
	}
	k := &Knee{Rate: held}
	for _, t := range s.seen {
		switch {
		case t.Outcome == Held && t.clear && t.rate <= held:
			k.Low = max(k.Low, t.rate)
		case t.Outcome == Broke && (k.High == 0 || t.rate < k.High):
			k.High = t.rate
		}
	}
	for _, t := range s.seen {
		if t.rate == not && t.Outcome != Broke {
			return k, fmt.Sprintf("it held at %s; at %s, %s, so the knee may be higher", number(held), number(not), t.Reason)
		}
	}
	return k, fmt.Sprintf("it held at %s and broke at %s", number(held), number(not))
}
