package plan

import (
	"math"

	"github.com/tenfold-go/tenfold/internal/report"
)

// strategy explains what to scale.
func (e *Explanation) strategy(p *Plan) {
	s, in := p.Strategy, p.Inputs
	if s == nil {
		if in.asksForStrategy(p.capacity) {
			e.unknown(TopicStrategy, "what to scale: needs the peak to carry (%s)", FieldPeakRPS)
		}
		return
	}
	if s.assumedFrom {
		e.assume(TopicStrategy, "a node runs on a %s (%s)", s.from, FieldInstance)
	}
	base := "what one node carries"
	if !s.baseIsNode {
		base = "the current rate"
		e.assume(TopicStrategy, "the current %s use most of one machine; what it can carry (%s) would be exact",
			in.rate(s.base), FieldNodeRPS)
	}
	required := in.rate(s.Growth * s.base)
	e.because(TopicStrategy, "%s are %s times %s (%s)", required, report.Number(s.Growth), base, in.rate(s.base))
	e.assume(TopicStrategy, "inside one machine the service scales with α = %g and β = %g per vCPU, like good "+
		"published ones: the largest machine of the catalogue, %s, carries %s times as much as the %s",
		vertical.Alpha, vertical.Beta, s.largest, report.Number(s.Ceiling), s.from.Type)
	e.kind(s, p.Fleet, in)
}

// kind explains the decision.
func (e *Explanation) kind(s *Strategy, fleet *Fleet, in Inputs) {
	notUp := "no machine of the catalogue carries more than " + report.Number(s.Ceiling) + " times as much as the " +
		"present one,"
	if s.redundant && s.ScaleUpTo != "" {
		notUp = "one machine is not redundant,"
	}
	switch {
	case s.Kind == NoChange:
		e.because(TopicStrategy, "one %s carries that", s.from.Type)
	case s.Kind == ScaleUp:
		e.because(TopicStrategy, "one %s carries %s times as much as the present machine: the smallest change, "+
			"since state may stay where it is", s.to, report.Number(math.Floor(100*s.worth)/100))
		if fleet != nil && fleet.Nodes > 1 {
			e.because(TopicStrategy, "the alternative is the %s of the present size above, once any of them can "+
				"answer any request",
				report.Count(fleet.Nodes, "node"))
		}
		e.change(TopicStrategy, "more than %s times the growth, or high availability (%s): one machine is not "+
			"redundant",
			report.Number(math.Floor(100*s.Ceiling/s.Growth)/100), FieldHA)
	case s.Kind == RefactorFirst && !in.Stateless:
		e.because(TopicStrategy, "%s and the service is not known to be stateless: a second node would not have the "+
			"state of the first",
			notUp)
		e.change(TopicStrategy, "proof that any node can answer any request, then %s: run two nodes%s, and check "+
			"that logins, carts and uploads are still there when a request reaches the other node", FieldStateless,
			clause{" (%s)", CommandRunTwoNodes})
	case s.Kind == RefactorFirst:
		e.because(TopicStrategy, "%s and no number of nodes reaches the peak: first remove what the nodes share", notUp)
	default:
		e.because(TopicStrategy, "%s and any node can answer any request", notUp)
		e.change(TopicStrategy, "state that stays on a node (files, sessions, caches): then move that first")
	}
}

// cost explains the cost.
func (e *Explanation) cost(p *Plan) {
	c := p.Cost
	if c == nil {
		if p.Inputs.asksForCost() {
			e.unknown(TopicCost, "the cost: needs a number of nodes")
		}
		return
	}
	if c.assumedInstance {
		e.assume(TopicCost, "a node runs on a %s (%s)", c.instance, FieldInstance)
	}
	e.because(TopicCost, "%s × %s at $%g an hour", report.Number(float64(c.Machines)), c.Type, c.Each)
	if out := c.scalingOut; out != nil {
		e.because(TopicCost, "%s × %s instead would be $%s an hour", report.Number(float64(out.Machines)), out.Type,
			report.Number(out.PerHour))
	}
	source := c.Source
	if source == "" {
		source = "from a file that does not name its source"
	}
	e.because(TopicCost, "prices of %s, %s", c.AsOf, source)
	if p.Inputs.Prices == nil {
		e.warn(TopicCost, "these are approximate list prices: check them before you buy, or set others (%s); "+
			"network, storage and the database are not included", setting{FieldPrices, "FILE"})
	}
}
