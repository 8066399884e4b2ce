package plan

import (
	"fmt"
	"strings"

	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
)

// capacity explains what nodes carry.
func (e *Explanation) capacity(p *Plan) {
	if p.Inputs.Measured != nil {
		e.measured(p.Inputs)
	}
	switch {
	case p.capacity == nil:
	case p.Fit != nil:
		e.fit(p.Fit, p.Inputs)
	default:
		e.linear(p.capacity, p.Inputs)
	}
}

// measured says what is doubtful about the load document.
func (e *Explanation) measured(in Inputs) {
	d := in.Measured
	if n, of := notCredible(d); n > 0 {
		e.warn(TopicNodes, "%d of the %d load steps were invalid by the checks of the load generator", n, of)
	}
	if d.SharedCores {
		e.warn(TopicNodes, "the nodes of this curve shared the cores of one machine: a service that mostly computes "+
			"scales differently over several machines, a service that mostly waits does not")
	}
	var noKnee, lowerBound []string
	for _, s := range d.Scaling {
		switch {
		case s.Knee == nil:
			noKnee = append(noKnee, report.Number(float64(s.Nodes)))
		case isLowerBound(s):
			lowerBound = append(lowerBound, report.Number(float64(s.Nodes)))
		}
	}
	if len(noKnee) > 0 {
		e.warn(TopicNodes, "the load test found no knee at %s nodes: the plan ignores them", strings.Join(noKnee, ", "))
	}
	if len(lowerBound) > 0 {
		e.warn(TopicNodes, "the knee of %s nodes is a lower bound: the load test did not find where the service "+
			"fails, so the curve is too low there", strings.Join(lowerBound, ", "))
	}
	if in.countsVisits() {
		each := ""
		if n := requestsPerVisit(d); n > 0 {
			each = " of " + perVisit(n) + " requests each"
		}
		e.assume(TopicNodes, "all rates are visits a second, as in the load document%s: also %s and %s", each,
			FieldPeakRPS, FieldCurrentRPS)
	}
}

// fit shows the law and its uncertainty.
func (e *Explanation) fit(fit *queueing.Fit, in Inputs) {
	within := func(i queueing.Interval) string {
		if fit.DF == 0 {
			return ""
		}
		return fmt.Sprintf(" (95%%: %s)", interval(i))
	}
	e.because(TopicNodes, "the Universal Scalability Law through %s: contention α = %s%s, coherency β = %s%s, one "+
		"node γ = %s%s",
		report.Count(len(fit.Points), "point"), report.Number(fit.Alpha), within(fit.Alpha95),
		report.Number(fit.Beta), within(fit.Beta95),
		in.rate(fit.Gamma), within(fit.Gamma95))
	if fit.DF == 0 {
		e.unknown(TopicNodes, "intervals: three points are too few to judge the fit")
	}
	if sizes := fit.Sizes(); sizes < queueing.RecommendedSizes {
		e.warn(TopicNodes, "%d fleet sizes are few for a fit of three parameters: a fit of a published curve at 1, "+
			"2, 4 and 8 nodes predicted 44%% too much for 32 nodes; measure %d sizes or more", sizes,
			queueing.RecommendedSizes)
	}
}

// linear explains a capacity that is the same for each node.
func (e *Explanation) linear(c *capacity, in Inputs) {
	if in.Efficiency == nil {
		e.assume(TopicNodes, "a node in a fleet carries as much as a single node (%s; better a measured curve: %s)",
			FieldEfficiency, FieldScaling)
	}
	low, high := c.knee.Low, c.knee.High
	if low == 0 {
		low = c.knee.Rate
	}
	switch {
	case c.isLowerBound():
		e.warn(TopicNodes, "the knee of %s is a lower bound: the load test did not find where the service fails, so "+
			"fewer nodes may be enough", in.rate(c.knee.Rate))
	case low < high:
		e.because(TopicNodes, "the knee is between %s and %s", report.Number(low), in.rate(high))
	}
}
