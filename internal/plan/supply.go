package plan

import (
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// supply is what a fleet of n nodes carries, in the question's unit, as far as it is known.
type supply struct {
	node     float64                  // the rate of a lone node
	at       func(n float64) float64  // the best estimate
	interval func(n float64) Interval // around it
	rising   int                      // up to this many nodes another node helps
	measured int                      // the largest measured fleet; 0 when there is no curve
	atLeast  bool                     // nobody knows how much more it carries
}

// supply finds what the question says of it: a fitted curve, or one node's capacity. nil is neither.
func (q Question) supply(a *Answer) (*supply, error) {
	points := []Point(q.Scaling)
	if m := q.Measured; m != nil {
		points = m.points()
		q.doubt(a, m)
	}
	switch {
	case len(points) > 0:
		return q.fitted(a, points)
	case q.Measured != nil:
		return q.linear(a, *q.Measured.Knee), nil
	case q.NodeRPS > 0:
		r := float64(q.NodeRPS)
		return q.linear(a, Knee{Rate: r, High: r}), nil
	}
	return nil, nil
}

// doubt says what to think of a measurement before anything is planned on it.
func (q Question) doubt(a *Answer, m *Measured) {
	if n, of := m.doubtful(); n > 0 {
		a.warn(aboutNodes, "%d of the %d load steps were invalid by the load generator's own checks", n, of)
	}
	if m.SharedCores {
		a.warn(aboutNodes, "the nodes of this curve shared the cores of one machine: as far as they compute, it shows the machine's "+
			"scheduler, and only as far as they wait, how the service scales over machines")
	}
	var bounded, without []string
	for _, s := range m.Scaling {
		switch {
		case s.Knee == nil:
			without = append(without, report.Number(float64(s.Nodes)))
		case s.atLeast():
			bounded = append(bounded, report.Number(float64(s.Nodes)))
		}
	}
	if len(without) > 0 {
		a.warn(aboutNodes, "the load found no knee at %s nodes, which are left out", strings.Join(without, ", "))
	}
	if len(bounded) > 0 {
		a.warn(aboutNodes, "the knee of %s nodes is a lower bound: the load did not find where it breaks, so the curve lies too low there",
			strings.Join(bounded, ", "))
	}
	if q.unit() == visitsUnit {
		a.assume(aboutNodes, "all rates are visits a second, as in the load document%s: --peak-rps and --current-rps too", m.perVisitText())
	}
}

// fitted is a supply from measured fleets.
func (q Question) fitted(a *Answer, points []Point) (*supply, error) {
	fit, err := FitUSL(points)
	if err != nil {
		return nil, inputError("tenfold load --nodes 1,2,3,4,6,8 measures a curve; --node-rps and --efficiency plan without one",
			"fit scalability law: %v", err)
	}
	a.Fit = fit
	explainFit(a, fit)
	rising := maxNodes
	if nodes, _ := fit.Peak(); nodes < maxNodes {
		rising = max(1, int(nodes))
	}
	return &supply{
		node:     fit.Gamma,
		at:       fit.Throughput,
		interval: fit.Predict,
		rising:   rising,
		measured: fit.Largest(),
	}, nil
}

// linear is a supply of nodes that each carry the same.
func (q Question) linear(a *Answer, k Knee) *supply {
	efficiency := 1.0
	if q.Efficiency != nil {
		efficiency = float64(*q.Efficiency)
	} else {
		a.assume(aboutNodes, "a node in a fleet carries as much as a lone one (--efficiency; better, a measured curve: --scaling)")
	}
	low, high := k.Low, k.High
	if low == 0 {
		low = k.Rate
	}
	switch {
	case high == 0:
		a.warn(aboutNodes, "the knee of %s is a lower bound: the load did not find where the service breaks, so fewer nodes may do",
			q.rate(k.Rate))
		high = k.Rate
	case low < high:
		a.because(aboutNodes, "the knee lies between %s and %s", report.Number(low), q.rate(high))
	}
	return &supply{
		atLeast:  k.High == 0,
		node:     k.Rate,
		at:       func(n float64) float64 { return n * k.Rate * efficiency },
		interval: func(n float64) Interval { return Interval{n * low * efficiency, n * high * efficiency} },
		rising:   maxNodes,
	}
}

// reaches says whether x is at least need, the rounding of floating point forgiven: 1000·1.1 is 10·110.
func reaches(x, need float64) bool { return x >= need*(1-1e-9) }
