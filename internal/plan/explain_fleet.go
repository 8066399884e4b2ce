package plan

import (
	"fmt"
	"math"

	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
)

// fleet explains the number of nodes.
func (e *Explanation) fleet(p *Plan) {
	f, in := p.Fleet, p.Inputs
	switch {
	case f != nil:
		if f.assumedCores {
			e.assume(TopicNodes, "a node has %d cores (%s or %s)", defaultCores, FieldCores, FieldInstance)
		}
		e.margin(f, in)
		if f.Reachable {
			e.reachable(f, in)
		} else {
			e.unreachable(f, in)
		}
	case p.capacity != nil:
		e.unknown(TopicNodes, "the number of nodes: needs the peak to carry (%s)", FieldPeakRPS)
	case p.peak > 0:
		e.unknown(TopicNodes, "the number of nodes: needs what one node carries (%s%s), or better several fleet "+
			"sizes (%s)", FieldNodeRPS, clause{", from %s", CommandMeasureNode}, FieldScaling)
	}
}

// margin explains the margin, and the time that requests wait with it.
func (e *Explanation) margin(f *Fleet, in Inputs) {
	n := f.largest
	if f.Reachable {
		n = f.Carrying
	}
	queue := f.demand.queue(n)
	cores := report.Count(queue.Servers, "core")
	if queue.Servers > queueing.MaxServers {
		queue.Servers = queueing.MaxServers
		cores = report.Number(queueing.MaxServers) + " cores or more"
	}
	if in.Margin == nil {
		e.because(TopicNodes, "no margin is given: with %s, 99 of 100 requests wait at most one service time up to "+
			"a utilisation of %s (M/M/c); so %s for a peak of %s, where a fixed 70%% would ask for %s",
			cores, report.Percent(1/(1+f.Margin)), in.rate(f.RequiredRPS), in.rate(f.PeakRPS), in.rate(f.PeakRPS/0.7))
		e.change(TopicNodes, "a given margin (%s): a knee from a load test already meets its latency objective, and "+
			"%s plans at the knee itself; bursts (%s) need more", FieldMargin, setting{FieldMargin, "0"},
			FieldBurstiness)
		return
	}
	e.because(TopicNodes, "a peak of %s with a margin of %s is %s", in.rate(f.PeakRPS), report.Percent(f.Margin),
		in.rate(f.RequiredRPS))
	if f.Reachable {
		e.wait(f, queue, cores)
	}
}

// wait says how long requests wait for a core at the peak.
func (e *Explanation) wait(f *Fleet, queue queueing.Queue, cores string) {
	if f.Utilisation >= 1-1e-9 {
		e.warn(TopicNodes, "without a margin every core is busy all the time at the peak: the wait has no bound")
		return
	}
	busy := fmt.Sprintf("at the peak %s are busy %s of the time", cores, report.Percent(f.Utilisation))
	switch wait := queue.Wait(f.Utilisation, waitShare); {
	case wait == 0:
		e.because(TopicNodes, "%s: 99 of 100 requests do not wait for a core (M/M/c)", busy)
	case wait <= waitLimit:
		e.because(TopicNodes, "%s: 99 of 100 requests wait at most %s service times for a core (M/M/c)", busy,
			report.Number(wait))
	default:
		e.warn(TopicNodes, "%s: 1 of 100 requests waits longer than %s service times for a core (M/M/c); without %s "+
			"the plan allows 1 service time", busy, report.Number(wait), FieldMargin)
	}
}

// reachable explains a fleet that carries the peak.
func (e *Explanation) reachable(f *Fleet, in Inputs) {
	if c := f.capacity; c.fit == nil {
		e.because(TopicNodes, "a node carries %s in the fleet: %s / %s = %s, so %s", in.rate(c.at(1)),
			report.Number(f.RequiredRPS), report.Number(c.at(1)), report.Number(f.RequiredRPS/c.at(1)),
			report.Count(f.Carrying, "node"))
		lower := c
		lower.efficiency *= 0.9
		e.change(TopicNodes, "the efficiency, which the plan takes as constant, but which falls as nodes are added: "+
			"with a tenth less, %s", otherFleet(in, lower, f.demand))
		e.change(TopicNodes, "a measured curve, which shows how the efficiency falls%s",
			clause{": %s", CommandMeasureCurve})
	} else if c.rise != nil {
		e.because(TopicNodes, "%s carry %s", report.Count(f.Carrying, "node"), in.rate(c.at(float64(f.Carrying))))
	} else {
		e.fitted(f, in)
	}
	higher := f.demand
	higher.peak *= 1.2
	e.change(TopicNodes, "a peak that is a fifth higher: then %s", otherFleet(in, f.capacity, higher))
	e.spares(f, in)
	if f.capacity.fit != nil {
		e.extrapolation(f, in)
	}
}

// fitted explains a fleet on a measured curve.
func (e *Explanation) fitted(f *Fleet, in Inputs) {
	c, n := f.capacity, float64(f.Carrying)
	if f.Carrying == 1 {
		e.because(TopicNodes, "1 node carries %s (95%%: %s)", in.rate(c.at(1)), interval(c.interval(1)))
	} else {
		e.because(TopicNodes, "%s carry %s (95%%: %s), and one fewer %s; each carries %s of what a single node carries",
			report.Count(f.Carrying, "node"), in.rate(c.at(n)), interval(c.interval(n)), in.rate(c.at(n-1)),
			report.Percent(c.at(n)/n/c.node()))
	}
	e.change(TopicNodes, "one more measurement, at %s, where the curve is not measured",
		report.Count(2*c.measured(), "node"))
}

// otherFleet writes the number of nodes for another capacity or demand.
func otherFleet(in Inputs, c capacity, d demand) string {
	n, ok := in.fleetSize(c, d)
	if !ok {
		return "no number of nodes reaches it"
	}
	return report.Count(n, "node")
}

// spares explains the number of spare nodes.
func (e *Explanation) spares(f *Fleet, in Inputs) {
	k := f.Carrying
	spares, ok := in.spares(k)
	switch {
	case in.Availability == 0 && in.HA:
		e.because(TopicNodes, "1 spare, so that the fleet still carries the peak when one node is down (%s)", FieldHA)
		e.change(TopicNodes, "a target (%s): the number of spares grows with the fleet, and one is the minimum",
			setting{FieldAvailability, "99.9%"})
	case in.Availability == 0:
		e.change(TopicNodes, "high availability: %s adds a spare, %s as many as that needs", FieldHA,
			setting{FieldAvailability, "99.9%"})
	case ok:
		with, without := nines(in.redundant(k, k+spares)), nines(in.redundant(k, k+spares-1))
		if without == with {
			without = "slightly less than the target"
		}
		e.because(TopicNodes, "%s: with them, %d of %d nodes at %s each are available for %s of the time; with one "+
			"fewer, for %s", report.Count(spares, "spare"), k, k+spares, nines(in.nodeAvailability()), with, without)
	}
}

// extrapolation warns about a fleet that is larger than the measured ones.
func (e *Explanation) extrapolation(f *Fleet, in Inputs) {
	measured := f.capacity.measured()
	switch {
	case f.capacity.rise != nil && f.Nodes > measured:
		e.warn(TopicNodes, "the spares are not measured: the largest measured fleet has %s", report.Count(measured, "node"))
		return
	case f.capacity.rise != nil:
		return
	case f.Extrapolated:
		e.warn(TopicNodes, "%s are more than twice the largest measured fleet (%s): no fit is reliable that far; "+
			"measure larger fleets before you rely on it", report.Count(f.Nodes, "node"),
			report.Count(measured, "node"))
	case f.Nodes > measured:
		e.warn(TopicNodes, "the largest measured fleet has %s: up to twice that, fits of published curves had "+
			"errors of 10 to 25%%", report.Count(measured, "node"))
	}
	if f.NodesHigh == 0 && f.capacity.fit.DF > 0 {
		e.warn(TopicNodes, "at the pessimistic end of the fit no number of nodes reaches %s", in.rate(f.RequiredRPS))
	}
	if f.CapacityRPS < f.RequiredRPS*(1-1e-9) {
		e.warn(TopicNodes, "keep the spares stopped until they are needed: all %s together would carry only %s",
			report.Count(f.Nodes, "node"), in.rate(f.CapacityRPS))
	}
}

// unreachable explains why no fleet carries the peak, and what would help.
func (e *Explanation) unreachable(f *Fleet, in Inputs) {
	c := f.capacity
	switch f.limit {
	case limitMeasured:
		e.because(TopicNodes, "the measured fleets carry at most %s, with %s; %s are needed", in.rate(f.CapacityRPS),
			report.Count(f.largest, "node"), in.rate(f.RequiredRPS))
		e.change(TopicNodes, "a measurement of larger fleets%s", clause{": %s", CommandMeasureCurve})
		return
	case limitNodes:
		e.because(TopicNodes, "no fleet of up to %s nodes carries %s", report.Number(queueing.MaxNodes),
			in.rate(f.RequiredRPS))
		return
	case limitContention:
		e.because(TopicNodes, "contention limits the fleet to γ/α = %s for any number of nodes", in.rate(c.fit.Limit()))
	case limitPeak:
		nodes, rate := c.fit.Peak()
		e.because(TopicNodes, "the fitted law peaks at %s with %s: more nodes are slower",
			report.Count(max(1, int(math.Round(nodes))), "node"), in.rate(rate))
		if f.largest == 1 {
			e.warn(TopicNodes, "a second node makes the fleet slower: find what the nodes share before you add any")
		}
	}
	if f.NodesLow > 0 {
		e.because(TopicNodes, "at the optimistic end of the fit %s would carry it", report.Count(f.NodesLow, "node"))
	}
	e.change(TopicNodes, "nodes that are %s times as fast each, or less of what they share (locks, one primary, "+
		"messages between nodes): a lower α or β", report.Number(math.Ceil(100*f.RequiredRPS/f.CapacityRPS)/100))
	if f.Extrapolated {
		e.warn(TopicNodes, "the highest rate of the law is at more than twice the largest measured fleet (%s): "+
			"measure there before you rely on it", report.Count(c.measured(), "node"))
	}
}
