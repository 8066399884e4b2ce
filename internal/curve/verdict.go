package curve

import "fmt"

// Verdict says whether a step met the objective, and why.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason"` // of an invalid verdict: includes the InvalidReason of the step
}

// Outcome is the result of comparing a step with the objective.
type Outcome string

const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive" // the limit lies within the confidence interval
	Invalid      Outcome = "invalid"      // the step is not credible
)

// oldOutcomes are the values that documents had before the first release.
var oldOutcomes = map[string]Outcome{"held": Pass, "broke": Fail, "undecided": Inconclusive, "unknown": Invalid}

// UnmarshalText reads an outcome. It also accepts the old values held, broke, undecided and unknown. It fails on any
// other text.
func (o *Outcome) UnmarshalText(text []byte) error {
	switch v := Outcome(text); v {
	case Pass, Fail, Inconclusive, Invalid:
		*o = v
		return nil
	}
	v, ok := oldOutcomes[string(text)]
	if !ok {
		return fmt.Errorf("outcome %q: want pass, fail, inconclusive or invalid", text)
	}
	*o = v
	return nil
}

// Decided reports whether the outcome is pass or fail.
func (o Outcome) Decided() bool { return o == Pass || o == Fail }

// Verdict returns the verdict of the whole test, or nil if there is no objective or no step. A search that found a knee
// passes, at any of its fleet sizes. Otherwise the verdict of the last step counts.
func (d *Document) Verdict() *Verdict {
	if d.Objective.IsZero() {
		return nil
	}
	pass := &Verdict{Outcome: Pass}
	if d.Knee != nil {
		return pass
	}
	steps := d.Steps
	for _, s := range d.Scaling {
		if s.Knee != nil {
			return pass
		}
		steps = s.Steps
	}
	if len(steps) == 0 {
		return nil
	}
	return steps[len(steps)-1].Verdict
}

// EveryRequestFailed reports whether requests were made and none of them succeeded, in any step.
func (d *Document) EveryRequestFailed() bool {
	steps := d.Steps
	for _, s := range d.Scaling {
		steps = append(steps[:len(steps):len(steps)], s.Steps...)
	}
	requests := int64(0)
	for _, s := range steps {
		if s.Errors < 1 && s.Requests > 0 {
			return false
		}
		requests += s.Requests
	}
	return requests > 0
}
