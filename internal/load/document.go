package load

import (
	"context"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// Test is the amount of load, and what the target must meet. Exactly one of Rate, Users and Rates is set.
type Test struct {
	Target    string     // name of the target in the document
	Rate      float64    // open load: visits per second
	Users     int        // closed load: number of users
	Rates     [2]float64 // search for the knee between two rates
	Objective curve.Objective
	OnStep    func(*curve.Step) // called after each step of a search; nil for no calls
}

// Run makes the load and returns what it measured. If ctx ends, it returns the steps so far in a document that is
// marked as incomplete. An error means that nothing was measured.
func (g *Generator) Run(ctx context.Context, t Test) (*curve.Document, error) {
	d := &curve.Document{
		Target: t.Target, Started: time.Now().UTC().Truncate(time.Second), Unit: g.unit, Seed: g.options.Seed,
		Objective: t.Objective, Steps: []curve.Step{},
	}
	if t.Users == 0 {
		d.Arrivals = g.options.Arrivals.String()
	}
	var err error
	switch {
	case t.Rates != [2]float64{}:
		err = g.runSearch(ctx, t, d)
	case t.Users != 0:
		err = runStep(t, d, func() (*Step, error) { return g.Users(ctx, t.Users) })
	default:
		err = runStep(t, d, func() (*Step, error) { return g.Rate(ctx, t.Rate) })
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (g *Generator) runSearch(ctx context.Context, t Test, d *curve.Document) error {
	result, err := g.Search(ctx, t.Rates[0], t.Rates[1], t.Objective, t.OnStep)
	if err != nil {
		return err
	}
	for _, s := range result.Steps {
		d.Steps = append(d.Steps, s.Step)
	}
	d.Knee, d.End, d.Incomplete = result.Knee, result.End, ctx.Err() != nil
	return nil
}

func runStep(t Test, d *curve.Document, measure func() (*Step, error)) error {
	s, err := measure()
	if err != nil {
		return err
	}
	d.Incomplete = s.Incomplete
	if s.Empty() {
		return nil
	}
	if !t.Objective.IsZero() {
		s.judgeLag(t.Objective)
		v, _ := judge(t.Objective, []*Step{s}, true)
		s.Verdict = &v
	}
	d.Steps = append(d.Steps, s.Step)
	return nil
}

// SizeResult is the document of a search against a fleet of Nodes nodes.
type SizeResult struct {
	Nodes  int
	Search *curve.Document
}

// Scaling returns one document for several fleet sizes that ran on one machine. There must be at least one size. If a
// search found no knee, the highest rate that passed is the lower bound of the knee.
func Scaling(sizes []SizeResult) *curve.Document {
	d := *sizes[0].Search
	d.Steps, d.Knee, d.End, d.Notes = []curve.Step{}, nil, "", nil
	for _, s := range sizes {
		size := curve.Size{Nodes: s.Nodes, Knee: s.Search.Knee, Steps: s.Search.Steps, End: s.Search.End}
		if size.Knee == nil {
			size.Knee = lowerBound(size.Steps)
		}
		d.Scaling = append(d.Scaling, size)
		switch {
		case size.Knee == nil:
			d.Notes = append(d.Notes, fmt.Sprintf("%s: no knee: %s", report.Count(s.Nodes, "node"), size.End))
		case !size.Exact():
			d.Notes = append(d.Notes, fmt.Sprintf("%s: the knee is a lower bound: %s", report.Count(s.Nodes, "node"), size.End))
		}
	}
	d.SharedCores = true
	d.Notes = append(d.Notes, "all nodes, the gateway and the generator shared the cores of this machine (shared_cores): "+
		"the curve describes the service only if its nodes mostly wait instead of computing")
	return &d
}

// lowerBound returns a knee at the highest rate that passed below all rates that did not pass, or nil.
func lowerBound(steps []curve.Step) *curve.Knee {
	var b bisection
	for i := range steps {
		if i == len(steps)-1 || steps[i+1].Offered != steps[i].Offered { // the last verdict at a rate decides
			b.tried = append(b.tried, tried{rate: steps[i].Offered, Verdict: curve.Verdict{Outcome: steps[i].Outcome()}})
		}
	}
	passed, _ := b.limits()
	if passed == 0 {
		return nil
	}
	return &curve.Knee{Rate: passed, Low: passed}
}
