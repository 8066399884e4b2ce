package plan

import (
	"cmp"
	"math"
	"slices"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/queueing"
)

// capacity is the rate that a fleet of n nodes carries: by a fitted curve, or by one node's knee and an efficiency. A
// superlinear or irregular curve is read between its measured sizes only.
type capacity struct {
	fit        *queueing.Fit  // nil: linear
	rise       *queueing.Rise // of a superlinear or irregular curve; nil for any other
	knee       curve.Knee     // linear: of one node
	efficiency float64        // linear: share of the knee that a node in a fleet carries
}

// newCapacity returns the capacity that the inputs give, or nil if they give none.
func newCapacity(in Inputs) (*capacity, error) {
	points := []queueing.Point(in.Scaling)
	if in.Measured != nil && len(in.Measured.Scaling) > 0 {
		points = curvePoints(in.Measured)
	}
	switch {
	case len(points) > 0:
		fit, err := queueing.FitUSL(points)
		if err != nil {
			return nil, &InputError{
				[]Sentence{newSentence("fit scalability law: %v", err)},
				newSentence("%s%s and %s plan without a curve",
					clause{"%s measures a curve; ", CommandMeasureCurve}, FieldNodeRPS, FieldEfficiency),
			}
		}
		c := &capacity{fit: fit}
		if rise, ok := fit.Superlinear(); ok {
			c.rise = &rise
		}
		return c, nil
	case in.Measured != nil:
		return &capacity{knee: *in.Measured.NodeKnee(), efficiency: in.efficiency()}, nil
	case in.NodeRPS > 0:
		rate := float64(in.NodeRPS)
		return &capacity{knee: curve.Knee{Rate: rate, High: rate}, efficiency: in.efficiency()}, nil
	}
	return nil, nil
}

func (in Inputs) efficiency() float64 {
	if in.Efficiency == nil {
		return 1
	}
	return float64(*in.Efficiency)
}

// at returns the best estimate of the rate that n nodes carry.
func (c capacity) at(n float64) float64 {
	if c.rise != nil {
		return between(c.fit.Means(), n)
	}
	if c.fit != nil {
		return c.fit.Throughput(n)
	}
	return n * c.knee.Rate * c.efficiency
}

// between returns the rate of n nodes on the straight lines between measured sizes. Below the smallest size it returns
// 0, and above the largest the rate of the largest, because the sizes say nothing there.
func between(sizes []queueing.Point, n float64) float64 {
	if n < float64(sizes[0].Nodes) {
		return 0
	}
	for i, high := range sizes[1:] {
		if low := sizes[i]; n <= float64(high.Nodes) {
			share := (n - float64(low.Nodes)) / float64(high.Nodes-low.Nodes)
			return low.Rate + share*(high.Rate-low.Rate)
		}
	}
	return sizes[len(sizes)-1].Rate
}

// interval returns the 95 % interval of the fit, or the limits of the knee. Without a High the interval ends at the
// knee.
func (c capacity) interval(n float64) queueing.Interval {
	if c.rise != nil {
		return queueing.Interval{Low: 0, High: math.Inf(1)} // the law does not describe the points
	}
	if c.fit != nil {
		return c.fit.Predict(n)
	}
	low, high := c.knee.Low, c.knee.High
	if low == 0 {
		low = c.knee.Rate
	}
	if high == 0 {
		high = c.knee.Rate
	}
	return queueing.Interval{Low: n * low * c.efficiency, High: n * high * c.efficiency}
}

// node returns the rate of a single node.
func (c capacity) node() float64 {
	if c.rise != nil {
		smallest := c.fit.Means()[0]
		return smallest.Rate / float64(smallest.Nodes)
	}
	if c.fit != nil {
		return c.fit.Gamma
	}
	return c.knee.Rate
}

// rising returns the number of nodes up to which each further node raises the rate.
func (c capacity) rising() int {
	switch {
	case c.fit == nil:
		return queueing.MaxNodes
	case c.rise != nil:
		return c.measured()
	}
	if nodes, _ := c.fit.Peak(); nodes < queueing.MaxNodes {
		return max(1, int(nodes))
	}
	return queueing.MaxNodes
}

// shape returns the word for a curve that the law cannot describe: superlinear if the largest fleet carries more per
// node than the smallest, else irregular.
func (c capacity) shape() string {
	means := c.fit.Means()
	first, last := means[0], means[len(means)-1]
	if last.Rate*float64(first.Nodes) > first.Rate*float64(last.Nodes) {
		return "superlinear"
	}
	return "irregular"
}

// best returns the measured size of such a curve with the highest rate.
func (c capacity) best() int {
	return slices.MaxFunc(c.fit.Means(), func(a, b queueing.Point) int { return cmp.Compare(a.Rate, b.Rate) }).Nodes
}

// measured returns the largest measured fleet size, or 0 without a curve.
func (c capacity) measured() int {
	if c.fit == nil {
		return 0
	}
	return c.fit.Largest()
}

// isLowerBound reports whether the load test did not find the rate at which one node fails.
func (c capacity) isLowerBound() bool { return c.fit == nil && c.knee.High == 0 }

// reaches reports whether v is at least need. It ignores rounding errors: 10·110 reaches 1000·1.1.
func reaches(v, need float64) bool { return v >= need*(1-1e-9) }
