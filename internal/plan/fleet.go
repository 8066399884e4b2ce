package plan

import "sort"

// Fleet is how many nodes it takes.
type Fleet struct {
	Nodes     int  `json:"nodes,omitempty"`          // all of them, spares included; absent when no number reaches the peak
	NodesLow  int  `json:"nodes_low,omitempty"`      // from the 95 % interval of the fit, or the limits of a knee;
	NodesHigh int  `json:"nodes_high,omitempty"`     // absent when that end is not known
	Reachable bool `json:"reachable"`                // false: no number of nodes carries the peak
	Carrying  int  `json:"nodes_for_peak,omitempty"` // without spares
	Spares    int  `json:"spares"`

	PeakRPS      float64 `json:"peak_rps"`                      // what has to be carried
	RequiredRPS  float64 `json:"required_rps"`                  // with the margin
	Margin       float64 `json:"margin"`                        // given, or from queueing theory
	CapacityRPS  float64 `json:"capacity_rps,omitempty"`        // what Nodes carry
	Utilisation  float64 `json:"utilisation_at_peak,omitempty"` // PeakRPS over what Carrying nodes carry
	Extrapolated bool    `json:"extrapolated,omitempty"`        // beyond twice the largest measured fleet

	fitted bool
	atMost bool // fewer may do: what a node carries is a lower bound
}

// defaultCores is a small node's, when nothing says how many it has.
const defaultCores = 2

// demand is what a fleet of n nodes has to be able to carry.
type demand struct {
	peak       float64
	margin     *Share
	cores      int
	burstiness float64
}

func (d demand) of(n int) float64 {
	if d.margin != nil {
		return d.peak * (1 + float64(*d.margin))
	}
	return d.peak / d.queue(n).Headroom()
}

func (d demand) queue(n int) Queue { return Queue{Servers: n * d.cores, Burstiness: d.burstiness} }

// fleet counts the nodes.
func (q Question) fleet(a *Answer, peak float64, s *supply) {
	switch {
	case peak == 0 && s == nil:
		return
	case peak == 0:
		a.unknown(aboutNodes, "how many nodes: that takes the peak to carry (--peak-rps)")
		return
	case s == nil:
		a.unknown(aboutNodes, "how many nodes: that takes what one carries, from tenfold load (--node-rps), "+
			"better at several fleet sizes (--scaling)")
		return
	}
	d := demand{peak: peak, margin: q.Margin, cores: q.cores(a), burstiness: q.Burstiness}
	f := &Fleet{PeakRPS: peak, fitted: a.Fit != nil}
	a.Fleet = f
	if f.Carrying, f.Reachable = smallest(s, d); !f.Reachable {
		q.explainUnreachable(a, s, d)
		return
	}
	f.Spares = q.sparesFor(f.Carrying)
	f.Nodes = f.Carrying + f.Spares
	f.RequiredRPS = d.of(f.Carrying)
	f.Margin = f.RequiredRPS/peak - 1
	f.CapacityRPS = s.at(float64(f.Nodes))
	f.Utilisation = peak / s.at(float64(f.Carrying))
	if a.Fit == nil || a.Fit.DF > 0 {
		q.bounds(f, s, d)
	}
	if s.atLeast {
		f.NodesLow, f.atMost = 0, true
	}
	q.explainFleet(a, s, d)
}

// cores of a node. They only matter to queueing theory.
func (q Question) cores(a *Answer) int {
	if q.Cores > 0 {
		return q.Cores
	}
	if one, ok := q.prices().Find(q.Instance); ok {
		return one.VCPU
	}
	a.assume(aboutNodes, "a node has %d cores (--cores, or --instance)", defaultCores)
	return defaultCores
}

// smallest is the smallest fleet whose supply meets its demand.
func smallest(s *supply, d demand) (n int, ok bool) {
	meets := func(n int) bool { return reaches(s.at(float64(n)), d.of(n)) }
	if i := sort.Search(s.rising, func(i int) bool { return meets(i + 1) }); i < s.rising {
		return i + 1, true
	}
	// Beyond the law's peak the supply falls, but slowly at first, while the headroom of a larger fleet shrinks.
	ratio := func(n int) float64 { return s.at(float64(n)) / d.of(n) }
	for n := s.rising + 1; n <= maxNodes && ratio(n) > ratio(n-1); n++ {
		if meets(n) {
			return n, true
		}
	}
	return 0, false
}

// bounds finds the smallest fleets with which the optimistic and the pessimistic end of the supply meet the demand.
func (q Question) bounds(f *Fleet, s *supply, d demand) {
	if low, ok := firstFrom(1, s, d, func(i Interval) float64 { return i.High }); ok {
		f.NodesLow = low + q.sparesFor(low)
	}
	if high, ok := firstFrom(max(f.Carrying, 1), s, d, func(i Interval) float64 { return i.Low }); ok {
		f.NodesHigh = high + q.sparesFor(high)
	}
}

// firstFrom is the first fleet, from n on and in growing steps up to 32 times what was measured or is planned, with
// which one end of the supply meets the demand.
func firstFrom(n int, s *supply, d demand, end func(Interval) float64) (int, bool) {
	meets := func(n int) bool { return reaches(end(s.interval(float64(n))), d.of(n)) }
	last := min(32*max(n, s.measured), maxNodes)
	if s.measured == 0 {
		last = maxNodes
	}
	before := n - 1
	for n <= last {
		if meets(n) {
			return before + 1 + sort.Search(n-before-1, func(i int) bool { return meets(before + 1 + i) }), true
		}
		before, n = n, n+1+n/8
	}
	return 0, false
}
