package plan

import (
	"math"
	"sort"

	"github.com/tenfold-go/tenfold/internal/queueing"
)

// Fleet is the number of nodes that carries the peak.
type Fleet struct {
	Nodes     int  `json:"nodes,omitempty"`          // all nodes with spares; absent if no number of nodes reaches the peak
	NodesLow  int  `json:"nodes_low,omitempty"`      // from the 95 % interval of the fit, or the limits of a knee;
	NodesHigh int  `json:"nodes_high,omitempty"`     // absent if that end is not known
	Reachable bool `json:"reachable"`                // false: no number of nodes carries the peak
	Carrying  int  `json:"nodes_for_peak,omitempty"` // without spares
	Spares    int  `json:"spares"`

	PeakRPS      float64 `json:"peak_rps"`                      // the peak to carry
	RequiredRPS  float64 `json:"required_rps"`                  // the peak with the margin
	Margin       float64 `json:"margin"`                        // given, or from queueing theory
	CapacityRPS  float64 `json:"capacity_rps,omitempty"`        // what Nodes carry; not reachable: the most that any fleet carries
	Utilisation  float64 `json:"utilisation_at_peak,omitempty"` // PeakRPS over what Carrying nodes carry
	Extrapolated bool    `json:"extrapolated,omitempty"`        // more than twice the largest measured fleet

	// Undetermined is true if no measured size carries the peak and the curve does not say whether more nodes do.
	// Reachable is then false.
	Undetermined bool `json:"undetermined,omitempty"`

	capacity     capacity
	demand       demand
	assumedCores bool
	largest      int        // number of nodes that CapacityRPS is for
	limit        fleetLimit // not reachable: the reason
}

// fleetLimit is the reason why no fleet carries the peak.
type fleetLimit int

const (
	limitNodes      fleetLimit = iota // the largest fleet that a plan considers is too small
	limitContention                   // contention bounds the rate for any number of nodes
	limitPeak                         // beyond the peak of the curve more nodes are slower
	limitMeasured                     // a superlinear curve ends at the largest measured fleet
)

// planFleet returns the smallest fleet that carries the peak, or nil if the peak or the capacity is not known.
func planFleet(in Inputs, peak float64, c *capacity) *Fleet {
	if peak == 0 || c == nil {
		return nil
	}
	d := demand{peak: peak, margin: in.Margin, burstiness: in.Burstiness}
	f := &Fleet{PeakRPS: peak, capacity: *c}
	d.cores, f.assumedCores = in.cores()
	f.demand = d
	if f.Carrying, f.Reachable = smallestFleet(*c, d); f.Reachable {
		f.reach(in)
	} else {
		f.fallShort(in)
	}
	return f
}

// reach sets the values of a fleet that carries the peak.
func (f *Fleet) reach(in Inputs) {
	c, d := f.capacity, f.demand
	f.Spares, _ = in.spares(f.Carrying)
	f.Nodes = f.Carrying + f.Spares
	f.largest = f.Nodes
	f.RequiredRPS = d.of(f.Carrying)
	f.Margin = f.RequiredRPS/f.PeakRPS - 1
	f.CapacityRPS = c.at(float64(f.Nodes))
	f.Utilisation = f.PeakRPS / c.at(float64(f.Carrying))
	f.Extrapolated = c.fit != nil && f.Nodes > 2*c.measured()
	if c.rise != nil || c.fit != nil && c.fit.DF == 0 {
		return // the fit has no interval
	}
	if low, ok := firstFleet(1, c, d, func(i queueing.Interval) float64 { return i.High }); ok && !c.isLowerBound() {
		spares, _ := in.spares(low)
		f.NodesLow = low + spares
	}
	if high, ok := firstFleet(max(f.Carrying, 1), c, d, func(i queueing.Interval) float64 { return i.Low }); ok {
		spares, _ := in.spares(high)
		f.NodesHigh = high + spares
	}
}

// fallShort sets the values of a fleet that does not carry the peak.
func (f *Fleet) fallShort(in Inputs) {
	c, d := f.capacity, f.demand
	best := c.rising()
	if c.rise != nil {
		best = c.best()
		f.limit, f.Undetermined = limitMeasured, true
	}
	if best < queueing.MaxNodes && c.at(float64(best+1)) > c.at(float64(best)) {
		best++
	}
	f.largest = best
	f.RequiredRPS = d.of(best)
	f.Margin = f.RequiredRPS/f.PeakRPS - 1
	f.CapacityRPS = c.at(float64(best))
	if f.Undetermined || c.fit == nil || best == queueing.MaxNodes && f.RequiredRPS < c.fit.Limit() {
		return
	}
	f.limit = limitPeak
	if nodes, _ := c.fit.Peak(); math.IsInf(nodes, 1) {
		f.limit = limitContention
	}
	if low, ok := firstFleet(1, c, d, func(i queueing.Interval) float64 { return i.High }); ok && c.fit.DF > 0 {
		spares, _ := in.spares(low)
		f.NodesLow = low + spares
	}
	f.Extrapolated = best > 2*c.measured()
}

// demand is the rate that a fleet must be able to carry.
type demand struct {
	peak       float64
	margin     *Share // nil: from queueing theory
	cores      int    // of one node
	burstiness float64
}

// Without a margin, waitShare of the requests may wait at most waitLimit service times for a core.
const (
	waitShare = 0.99
	waitLimit = 1.0
)

// of returns the rate that n nodes must be able to carry.
func (d demand) of(n int) float64 {
	if d.margin != nil {
		return d.peak * (1 + float64(*d.margin))
	}
	return d.peak / d.queue(n).MaxUtilisation(waitShare, waitLimit)
}

// queue returns the cores of n nodes as one queue.
func (d demand) queue(n int) queueing.Queue {
	return queueing.Queue{Servers: n * d.cores, Burstiness: d.burstiness}
}

// fleetSize returns the number of nodes, with spares, for a capacity and a demand, or false if no number is enough.
func (in Inputs) fleetSize(c capacity, d demand) (n int, ok bool) {
	if n, ok = smallestFleet(c, d); !ok {
		return 0, false
	}
	spares, _ := in.spares(n)
	return n + spares, true
}

// spares returns how many spare nodes a fleet of k nodes needs: none by default, one for high availability, or as many
// as the target needs. One is not always enough: 8 of 9 nodes at 99 % are available for only 99.66 % of the time. It
// returns false if no number reaches the target.
func (in Inputs) spares(k int) (spares int, ok bool) {
	switch {
	case in.Availability > 0:
		target := float64(in.Availability) / in.Depends.availability() // of the nodes alone
		return queueing.Spares(k, in.nodeAvailability(), float64(in.CommonCause), target)
	case in.HA:
		return 1, true
	}
	return 0, true
}

// redundant returns the availability of n nodes of which k must work.
func (in Inputs) redundant(k, n int) float64 {
	return queueing.Redundant(k, n, in.nodeAvailability(), float64(in.CommonCause))
}

// defaultNodeAvailability is 3.65 days of downtime a year, for example one bad release and one broken machine.
const defaultNodeAvailability = 0.99

func (in Inputs) nodeAvailability() float64 {
	if in.NodeAvailability > 0 {
		return float64(in.NodeAvailability)
	}
	return defaultNodeAvailability
}

// smallestFleet returns the smallest fleet whose capacity reaches the demand, or false if no fleet does.
func smallestFleet(c capacity, d demand) (n int, ok bool) {
	meets := func(n int) bool { return reaches(c.at(float64(n)), d.of(n)) }
	rising := c.rising()
	if c.rise != nil { // measurements need not rise with every node
		for n := 1; n <= rising; n++ {
			if meets(n) {
				return n, true
			}
		}
		return 0, false
	}
	if i := sort.Search(rising, func(i int) bool { return meets(i + 1) }); i < rising {
		return i + 1, true
	}
	// Beyond the peak of the curve the capacity falls, but slowly at first, while the headroom of a larger fleet
	// shrinks.
	ratio := func(n int) float64 { return c.at(float64(n)) / d.of(n) }
	for n := rising + 1; n <= queueing.MaxNodes && ratio(n) > ratio(n-1); n++ {
		if meets(n) {
			return n, true
		}
	}
	return 0, false
}

// firstFleet returns the first fleet of n nodes or more for which one end of the capacity's interval reaches the
// demand. It searches in growing steps, up to 32 times n or the largest measured fleet.
func firstFleet(n int, c capacity, d demand, end func(queueing.Interval) float64) (int, bool) {
	meets := func(n int) bool { return reaches(end(c.interval(float64(n))), d.of(n)) }
	last := min(32*max(n, c.measured()), queueing.MaxNodes)
	if c.fit == nil {
		last = queueing.MaxNodes
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
