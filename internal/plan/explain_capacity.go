package plan

import (
	"fmt"
	"math"
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
	case p.capacity.rise != nil:
		e.superlinear(p.capacity, p.Inputs)
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
	bounds := map[string]float64{}
	for _, b := range fit.AtBounds() {
		bounds[b.Parameter] = b.Value
	}
	within := func(parameter string, i queueing.Interval) string {
		var parts []string
		if _, ok := bounds[parameter]; ok {
			parts = append(parts, "at its bound")
		}
		if fit.DF > 0 {
			parts = append(parts, "95%: "+interval(i))
		}
		if len(parts) == 0 {
			return ""
		}
		return " (" + strings.Join(parts, "; ") + ")"
	}
	e.because(TopicNodes, "the Universal Scalability Law through %s: contention α = %s%s, coherency β = %s%s, one "+
		"node γ = %s%s",
		report.Count(len(fit.Points), "point"), report.Number(fit.Alpha), within("alpha", fit.Alpha95),
		report.Number(fit.Beta), within("beta", fit.Beta95),
		in.rate(fit.Gamma), within("gamma", fit.Gamma95))
	e.bounds(bounds)
	if scatter := fit.Scatter(); scatter > maxScatter {
		e.warn(TopicNodes, "the points differ from the law by %s: measure again, with longer steps or on a quieter machine",
			report.Percent(scatter))
	}
	if fit.DF == 0 {
		e.unknown(TopicNodes, "intervals: three points are too few to judge the fit")
	}
	if sizes := fit.Sizes(); sizes < queueing.RecommendedSizes {
		e.warn(TopicNodes, "%d fleet sizes are few for a fit of three parameters: a fit of a published curve at 1, "+
			"2, 4 and 8 nodes predicted 44%% too much for 32 nodes; measure %d sizes or more", sizes,
			queueing.RecommendedSizes)
	}
}

// maxScatter is the scatter of the points above which a plan warns. The search for a knee ends at 5 %.
const maxScatter = 0.1

// bounds says what it means that the points push parameters to their bounds.
func (e *Explanation) bounds(at map[string]float64) {
	alpha, isAlpha := at["alpha"]
	beta, isBeta := at["beta"]
	switch {
	case isAlpha && alpha == 1:
		e.warn(TopicNodes, "the contention is at its upper bound, α = 1: the points do not rise with the nodes, so look "+
			"for what all nodes wait for, such as one database or one lock, before you add nodes")
	case isBeta && beta == 1:
		e.warn(TopicNodes, "the coherency cost is at its upper bound, β = 1: the points fall faster "+
			"than the law can describe")
	case isAlpha && isBeta:
		e.warn(TopicNodes, "α and β are at their lower bounds, 0: the points show no loss, so the law is a straight line "+
			"and cannot say where the rise ends; measure larger fleets")
	}
}

// superlinear explains a curve whose nodes carry more in some larger fleet.
func (e *Explanation) superlinear(c *capacity, in Inputs) {
	var each []string
	for _, p := range c.fit.Means() {
		each = append(each, fmt.Sprintf("%s with %s", report.Number(math.Round(10*p.Rate/float64(p.Nodes))/10),
			report.Count(p.Nodes, "node")))
	}
	e.because(TopicNodes, "what each node carries, in %s: %s; the plan reads the rates between the measured sizes from "+
		"straight lines", in.unit(), strings.Join(each, ", "))
	from, to, atBound := c.rise.From, c.rise.To, ""
	if len(c.fit.AtBounds()) > 0 {
		atBound = " (its fit is at its bound)"
	}
	e.warn(TopicNodes, "the curve is %s: each of %s carries %s more than with %s; the Universal Scalability Law knows "+
		"only losses%s, and the plan does not use it", c.shape(), report.Count(to.Nodes, "node"),
		report.Percent(c.rise.Ratio-1), report.Count(from.Nodes, "node"), atBound)
	if c.shape() == "superlinear" {
		e.warn(TopicNodes, "a superlinear curve has a cause that ends: each node caches a smaller part of the data, until "+
			"all of it fits; or the measurement of the small fleets was too low, because of a cold start, a short warm-up or "+
			"a limit of the load generator")
	} else {
		e.warn(TopicNodes, "an irregular curve shows a measurement that cannot be relied on: short steps, a busy "+
			"machine, or fleets that were not measured under the same conditions")
	}
	e.warn(TopicNodes, "do not extrapolate it: the plan says nothing about more than %s; measure the fleets again "+
		"after a longer warm-up, and larger fleets%s", report.Count(c.measured(), "node"),
		clause{": %s", CommandMeasureCurve})
	e.unknown(TopicNodes, "intervals: no law describes this curve")
}

// linear explains a capacity that is the same for each node.
func (e *Explanation) linear(c *capacity, in Inputs) {
	if n := in.measuredNodes(); n > 1 {
		e.because(TopicNodes, "the knee of %s was measured with %s behind the target: %s / %d = %s for each node",
			in.rate(in.Measured.Knee.Rate), report.Count(n, "node"), report.Number(in.Measured.Knee.Rate), n,
			in.rate(c.knee.Rate))
		e.assume(TopicNodes, "each further node carries as much as each of the %d measured ones (better a measured "+
			"curve: %s)", n, FieldScaling)
		if in.Efficiency != nil {
			e.warn(TopicNodes, "the knee of %s already contains what they lose in a fleet of that size: %s is taken off it again",
				report.Count(n, "node"), FieldEfficiency)
		}
	} else if in.Efficiency == nil {
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
