package plan

import (
	"io"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
)

// ReadMeasured reads a load document. It fails if the document is not valid or if a plan cannot be made from it.
func ReadMeasured(r io.Reader) (*curve.Document, error) {
	d, err := curve.Read(r)
	if err != nil {
		return nil, err
	}
	return d, checkMeasured(d)
}

// checkMeasured returns an error if the document has neither a knee nor enough fleet sizes for a fit.
func checkMeasured(d *curve.Document) error {
	if len(d.Scaling) > 0 {
		return queueing.CheckPoints(curvePoints(d))
	}
	if d.Knee != nil && d.TargetNodesUnknown != "" {
		return &InputError{[]Sentence{newSentence("the load document does not say how many nodes the knee of %s %s is of: %s",
			report.Number(d.Knee.Rate), string(d.Unit), d.TargetNodesUnknown)},
			newSentence("measure again while the number of nodes stays the same%s",
				clause{"; %s tells the load test the number", CommandTargetNodes})}
	}
	if d.Knee != nil {
		return nil
	}
	passed, failed := false, false
	for _, s := range d.Steps {
		passed, failed = passed || s.Outcome() == curve.Pass, failed || s.Outcome() == curve.Fail
	}
	const noKnee = "the load document has no knee and no fleet sizes"
	switch {
	case passed && len(d.Steps) > 1:
		return &InputError{[]Sentence{newSentence(noKnee + ": the objective passed at every rate, measure at higher " +
			"rates")}, Sentence{}}
	case failed:
		return &InputError{[]Sentence{newSentence(noKnee + ": the objective failed at the lowest rate, measure at " +
			"lower rates or with another objective")}, Sentence{}}
	}
	return &InputError{[]Sentence{newSentence(noKnee)},
		newSentence("%s", clause{"%s searches a knee", CommandFindKnee})}
}

// curvePoints returns the knees of the fleet sizes that have one.
func curvePoints(d *curve.Document) (points []queueing.Point) {
	for _, s := range d.Scaling {
		if s.Knee != nil {
			points = append(points, queueing.Point{Nodes: s.Nodes, Rate: s.Knee.Rate})
		}
	}
	return points
}

// isLowerBound reports whether the load test of a size found no rate that fails. A size without steps and bounds was
// not searched: its knee is exact.
func isLowerBound(s curve.Size) bool {
	return s.Knee != nil && s.Knee.High == 0 && (s.Knee.Low > 0 || len(s.Steps) > 0)
}

// notCredible counts the steps that the load generator itself did not trust, and all steps.
func notCredible(d *curve.Document) (n, of int) {
	steps := allSteps(d)
	for _, s := range steps {
		if !s.Credible() {
			n++
		}
	}
	return n, len(steps)
}

// requestsPerVisit returns how many requests a visit made, or 0 if the document does not say. It ignores steps that
// failed, because a failed visit ends early.
func requestsPerVisit(d *curve.Document) float64 {
	requests, visits := 0.0, 0.0
	for _, s := range allSteps(d) {
		if s.Credible() && s.Outcome() != curve.Fail && s.RequestRate > 0 {
			requests, visits = requests+s.RequestRate, visits+s.Achieved
		}
	}
	if visits == 0 {
		return 0
	}
	return requests / visits
}

// allSteps returns the steps of the document and of its fleet sizes.
func allSteps(d *curve.Document) (all []curve.Step) {
	all = append(all, d.Steps...)
	for _, s := range d.Scaling {
		all = append(all, s.Steps...)
	}
	return all
}
