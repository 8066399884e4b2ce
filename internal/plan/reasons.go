package plan

import (
	"fmt"
	"math"

	"github.com/tenfold-go/tenfold/internal/report"
)

// explainFit shows the law and how far it may be off.
func explainFit(a *Answer, fit *Fit) {
	within := func(i Interval) string {
		if fit.DF == 0 {
			return ""
		}
		return fmt.Sprintf(" (95%%: %s)", i)
	}
	a.because(aboutNodes, "the Universal Scalability Law through %s: contention α = %s%s, coherency β = %s%s, one node γ = %s%s",
		report.Count(len(fit.Points), "point"), report.Number(fit.Alpha), within(fit.Alpha95), report.Number(fit.Beta), within(fit.Beta95),
		a.Inputs.rate(fit.Gamma), within(fit.Gamma95))
	if fit.DF == 0 {
		a.unknown(aboutNodes, "intervals: three points leave nothing to judge the fit by")
	}
	if sizes := fit.Sizes(); sizes < FewestTrusted {
		a.warn(aboutNodes, "%d fleet sizes carry a fit of three parameters badly: a published 32-node curve, fitted on 1, 2, 4 "+
			"and 8, was predicted 44%% too high; measure %d or more", sizes, FewestTrusted)
	}
}

// explainFleet says why, what would change it and what to be careful with.
func (q Question) explainFleet(a *Answer, s *supply, d demand) {
	f, n := a.Fleet, float64(a.Fleet.Carrying)
	q.explainMargin(a, d, f.Carrying)
	if s.measured == 0 {
		a.because(aboutNodes, "a node carries %s in the fleet: %s / %s = %s, so %s",
			q.rate(s.at(1)), report.Number(f.RequiredRPS), report.Number(s.at(1)), report.Number(f.RequiredRPS/s.at(1)), report.Count(f.Carrying, "node"))
		a.change(aboutNodes, "efficiency, which is taken as constant and falls as nodes are added: with a tenth less of it, %s",
			q.otherwise(scaled(s, 0.9), d))
		a.change(aboutNodes, "a curve measured at 1, 2, 3, 4, 6 and 8 nodes, which shows that fall: tenfold load --nodes")
	} else {
		if f.Carrying == 1 {
			a.because(aboutNodes, "1 node carries %s (95%%: %s)", q.rate(s.at(1)), s.interval(1))
		} else {
			a.because(aboutNodes, "%s carry %s (95%%: %s), and one fewer %s; each works at %s of a lone one",
				report.Count(f.Carrying, "node"), q.rate(s.at(n)), s.interval(n), q.rate(s.at(n-1)), report.Percent(s.at(n)/n/s.node))
		}
		a.change(aboutNodes, "one more measurement, at %s, where the curve is still guessed",
			report.Count(2*s.measured, "node"))
	}
	higher := d
	higher.peak *= 1.2
	a.change(aboutNodes, "the peak: a fifth more of it takes %s", q.otherwise(s, higher))
	q.explainSpares(a, f.Carrying)
	q.warnFleet(a, s)
}

// otherwise is the fleet that another supply or demand would take.
func (q Question) otherwise(s *supply, d demand) string {
	n, ok := smallest(s, d)
	if !ok {
		return "more than any number of nodes gives"
	}
	return report.Count(n+q.sparesFor(n), "node")
}

func scaled(s *supply, by float64) *supply {
	other := *s
	other.at = func(n float64) float64 { return s.at(n) * by }
	return &other
}

// explainMargin says where the margin comes from, and what queueing theory says of n nodes with it.
func (q Question) explainMargin(a *Answer, d demand, n int) {
	f := a.Fleet
	queue := d.queue(n)
	cores := report.Count(queue.Servers, "core")
	if queue.Servers > largestQueue {
		queue.Servers = largestQueue
		cores = report.Number(largestQueue) + " cores or more"
	}
	if d.margin == nil {
		a.because(aboutNodes, "no margin was given: on %s, queueing theory (M/M/c) keeps 99 of 100 requests from waiting longer "+
			"than one service time up to a utilisation of %s; so %s for a peak of %s, where a fixed 70%% would ask for %s",
			cores, report.Percent(1/(1+f.Margin)), q.rate(f.RequiredRPS), q.rate(f.PeakRPS), q.rate(f.PeakRPS/0.7))
		a.change(aboutNodes, "a margin of your own (--margin): a knee that tenfold load found holds its latency objective already, "+
			"and --margin 0 plans at the knee itself; bursts (--burstiness) ask for more")
		return
	}
	a.because(aboutNodes, "a peak of %s with a margin of %s is %s",
		q.rate(f.PeakRPS), report.Percent(f.Margin), q.rate(f.RequiredRPS))
	if !f.Reachable {
		return
	}
	if f.Utilisation >= 1-1e-9 {
		a.warn(aboutNodes, "without a margin every core is busy all the time at the peak: the wait has no bound")
		return
	}
	busy := fmt.Sprintf("at the peak %s are busy %s of the time", cores, report.Percent(f.Utilisation))
	switch wait := queue.Wait(f.Utilisation, headroomQuantile); {
	case wait == 0:
		a.because(aboutNodes, "%s: 99 of 100 requests do not wait for a core at all (M/M/c)", busy)
	case wait <= headroomWait:
		a.because(aboutNodes, "%s: 99 of 100 requests wait at most %s service times for a core (M/M/c)", busy, report.Number(wait))
	default:
		a.warn(aboutNodes, "%s: one request in 100 waits longer than %s service times for a core (M/M/c); without --margin the "+
			"plan keeps that to one", busy, report.Number(wait))
	}
}

func (q Question) warnFleet(a *Answer, s *supply) {
	f := a.Fleet
	if s.measured == 0 {
		return
	}
	if f.Nodes > 2*s.measured {
		f.Extrapolated = true
		a.warn(aboutNodes, "%s are beyond twice the largest measured fleet (%s): no fit can be trusted that far; measure larger "+
			"fleets before you rely on it", report.Count(f.Nodes, "node"), report.Count(s.measured, "node"))
	} else if f.Nodes > s.measured {
		a.warn(aboutNodes, "the largest measured fleet has %s: up to twice that, fits of published curves were off by 10 to 25%%",
			report.Count(s.measured, "node"))
	}
	if f.NodesHigh == 0 && a.Fit.DF > 0 {
		a.warn(aboutNodes, "at the pessimistic end of the fit no number of nodes reaches %s", q.rate(f.RequiredRPS))
	}
	if f.CapacityRPS < f.RequiredRPS*(1-1e-9) {
		a.warn(aboutNodes, "keep the spares stopped until they are needed: all %s at once would carry only %s",
			report.Count(f.Nodes, "node"), q.rate(f.CapacityRPS))
	}
}

// explainUnreachable says why no fleet is large enough, and what it would take.
func (q Question) explainUnreachable(a *Answer, s *supply, d demand) {
	f := a.Fleet
	best := s.rising
	if best < maxNodes && s.at(float64(best+1)) > s.at(float64(best)) {
		best++
	}
	f.RequiredRPS = d.of(best)
	f.Margin = f.RequiredRPS/f.PeakRPS - 1
	f.CapacityRPS = s.at(float64(best))
	q.explainMargin(a, d, best)
	if a.Fit == nil || best == maxNodes && f.RequiredRPS < a.Fit.Limit() {
		a.because(aboutNodes, "no fleet of up to %s nodes carries %s", report.Number(maxNodes), q.rate(f.RequiredRPS))
		return
	}
	if nodes, rps := a.Fit.Peak(); math.IsInf(nodes, 1) {
		a.because(aboutNodes, "contention alone holds the fleet under γ/α = %s, however many nodes", q.rate(rps))
	} else {
		a.because(aboutNodes, "the fitted law peaks at %s nodes with %s: more nodes are slower", report.Number(math.Round(nodes)), q.rate(rps))
	}
	if low, ok := firstFrom(1, s, d, func(i Interval) float64 { return i.High }); ok && a.Fit.DF > 0 {
		f.NodesLow = low + q.sparesFor(low)
		a.because(aboutNodes, "at the optimistic end of the fit %s would carry it", report.Count(f.NodesLow, "node"))
	}
	a.change(aboutNodes, "nodes that are %s times as fast each, or less of what they share (locks, one primary, chatter): "+
		"a lower α or β", report.Number(math.Ceil(100*f.RequiredRPS/f.CapacityRPS)/100))
	if best > 2*s.measured {
		f.Extrapolated = true
		a.warn(aboutNodes, "the law's best lies beyond twice the largest measured fleet (%s): measure there before you believe it",
			report.Count(s.measured, "node"))
	}
}
