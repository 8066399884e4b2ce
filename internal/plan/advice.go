package plan

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Advice returns the answer of the plan in one sentence: what to do, how many nodes, and why. Explain gives the details.
func (p *Plan) Advice() Sentence {
	s := p.nodesAdvice()
	switch {
	case p.Database != nil && s.format != "":
		return newSentence(s.format+"; for the database, %s.", append(s.args, databaseAdvice(p.Database, "it"))...)
	case p.Database != nil:
		return newSentence("%s.", upperFirst(databaseAdvice(p.Database, "the database")))
	case s.format == "":
		s = p.otherAdvice()
	}
	return Sentence{s.format + ".", s.args}
}

// nodesAdvice returns the advice about machines and nodes without its full stop, or nothing.
func (p *Plan) nodesAdvice() Sentence {
	s, f, in := p.Strategy, p.Fleet, p.Inputs
	var required string
	if s != nil {
		required = in.rate(s.Growth * s.base)
	}
	fleet := ""
	if f != nil && f.Reachable {
		fleet = " to " + report.Count(f.Nodes, "node")
	}
	switch {
	case s != nil && s.Kind == NoChange:
		return newSentence("Keep the present machine: one %s carries %s", s.from.Type, required)
	case s != nil && s.Kind == ScaleUp:
		return newSentence("Scale up to one %s: it carries %s, and state may stay where it is", s.to, required)
	case s != nil && s.Kind == RefactorFirst && !in.Stateless:
		return newSentence("Refactor first, then scale out%s: the service is not known to be stateless, and %s", fleet,
			s.notOneMachine(required))
	case f != nil && f.Undetermined:
		return newSentence("Measure larger fleets before you decide: up to %s were measured, and they do not reach %s",
			report.Count(f.capacity.measured(), "node"), in.rate(f.RequiredRPS))
	case f != nil && !f.Reachable:
		return newSentence("Do not add nodes, first remove what they share: no number of nodes reaches %s, and the most is "+
			"%s with %s", in.rate(f.RequiredRPS), in.rate(f.CapacityRPS), report.Count(f.largest, "node"))
	case s != nil:
		return newSentence("Scale out%s: %s, and any node can answer any request", fleet, s.notOneMachine(required))
	case f != nil:
		return fleetAdvice(f, in)
	}
	return Sentence{}
}

// notOneMachine says why one machine is not enough.
func (s *Strategy) notOneMachine(required string) string {
	if s.redundant && s.ScaleUpTo != "" {
		return "one machine is not redundant"
	}
	return "no machine of the catalogue carries " + required
}

func fleetAdvice(f *Fleet, in Inputs) Sentence {
	c, n := f.capacity, float64(f.Carrying)
	most, spares := "", ""
	if c.isLowerBound() {
		most = "at most "
	}
	switch {
	case f.Spares == 1:
		spares = ", and 1 is a spare"
	case f.Spares > 1:
		spares = fmt.Sprintf(", and %d are spares", f.Spares)
	}
	each := in.rate(c.at(n) / n)
	if f.Nodes == 1 {
		return newSentence("Run 1 node: it carries %s, and the peak is %s with a margin of %s", each, in.rate(f.PeakRPS),
			report.Percent(f.Margin))
	}
	carry := fmt.Sprintf("%d carry", f.Carrying)
	switch {
	case f.Carrying == 1:
		carry = "1 carries"
	case f.Spares == 0:
		carry = "together they carry"
	}
	return newSentence("Run %s%s: each carries %s, so %s the peak of %s with a margin of %s%s", most,
		report.Count(f.Nodes, "node"), each, carry, in.rate(f.PeakRPS), report.Percent(f.Margin), spares)
}

// databaseAdvice returns what to do with the database, which the text calls name.
func databaseAdvice(d *Database, name string) string {
	replicas := report.Count(d.Replicas, "read replica")
	switch d.Strategy {
	case ReadReplicas:
		return fmt.Sprintf("keep one primary and add %s: the data and the writes fit on one server", replicas)
	case Federation:
		return fmt.Sprintf("split %s into %s by domain, with %s each: one server is not enough", name,
			report.Count(len(d.Domains), "database"), replicas)
	case Sharding:
		return fmt.Sprintf("split %s into %s, with %s each: one server is not enough", name,
			report.Count(d.Shards, "shard"), replicas)
	}
	switch c := d.Connections; {
	case c.Pool > 0 && !c.Fits:
		return fmt.Sprintf("make the pools smaller, up to %s per node: %s nodes open more than the server accepts",
			report.Count(c.LargestPool, "connection"), report.Number(float64(c.Nodes)))
	case c.Pool > 0:
		return fmt.Sprintf("keep the pools: %s nodes open %s", report.Number(float64(c.Nodes)), report.Count(c.Total, "connection"))
	default:
		return fmt.Sprintf("use pools of up to %s per node", report.Count(c.LargestPool, "connection"))
	}
}

// otherAdvice is the advice of a plan without a number of nodes and without a database, without its full stop.
func (p *Plan) otherAdvice() Sentence {
	switch a := p.Availability; {
	case p.Fit != nil || p.capacity != nil:
		return newSentence("Set the peak to carry (%s) to get a number of nodes: %s", FieldPeakRPS, p.capacityAdvice())
	case a != nil && a.Met != nil && !*a.Met:
		return newSentence("Change what the service depends on or its nodes: it would be down for %s a year, and %s is the target",
			seconds(a.DowntimeYear), nines(a.Target))
	case a != nil:
		return newSentence("Expect up to %s of downtime a year: %s needs %s", seconds(a.DowntimeYear), nines(a.level), a.Architecture)
	case p.peak > 0:
		return newSentence("Prepare for a peak of %s, and measure what one node carries (%s) to get a number of nodes",
			p.Inputs.rate(p.peak), FieldNodeRPS)
	}
	return newSentence("Set the peak to carry (%s) to get a plan", FieldPeakRPS)
}

func (p *Plan) capacityAdvice() string {
	switch {
	case p.capacity.rise != nil:
		return fmt.Sprintf("the curve is %s up to %s", p.capacity.shape(), report.Count(p.capacity.measured(), "node"))
	case p.Fit != nil:
		return fitHeadline(p.Fit, p.Inputs)
	}
	return "one node carries " + p.Inputs.rate(p.capacity.node())
}

// upperFirst returns text with a capital first letter.
func upperFirst(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + strings.TrimPrefix(text, text[:size])
}
