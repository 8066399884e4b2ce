package plan

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Fit is the law that runs closest to measured points, with what is not known about it.
//
// The estimate is the bounded least-squares one (0 ≤ α ≤ 1, 0 ≤ β ≤ 1, γ > 0), the same as R's package usl gives. The
// intervals are profile-likelihood intervals and not estimate ± t·SE: those reach below zero near a bound and promise less
// than 95 % there. A measurement may err by a number of requests or by a percentage, and a handful of points does not tell
// which: an interval spans what both allow.
type Fit struct {
	USL
	Points  []Point  // sorted by Nodes
	SE      USL      // standard errors of the three, from the curvature at the estimate; NaN when DF is 0
	Alpha95 Interval // 95 % intervals; all that the bounds allow when DF is 0
	Beta95  Interval
	Gamma95 Interval
	RSE     float64 // residual standard error, requests per second; NaN when DF is 0
	DF      int     // degrees of freedom: points - 3

	profiles [2]profile
}

// Interval is a range of plausible values, both ends included. High may be +Inf.
type Interval struct{ Low, High float64 }

// profile is what an interval needs to know of one way to measure misfit.
type profile struct {
	leastSquares
	best  USL
	limit float64 // the sum of squares that 95 % of the plausible laws stay under
}

// Fewest is how many distinct fleet sizes a fit needs, and FewestTrusted how many before it is worth trusting: with three
// parameters, four points leave one degree of freedom (R's usl and codahale/usl both ask for six).
const (
	Fewest        = 3
	FewestTrusted = 6
)

// FitUSL fits the law to points of at least Fewest distinct fleet sizes; repeated measurements of a size are welcome.
func FitUSL(points []Point) (*Fit, error) {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return a.Nodes - b.Nodes })
	if err := checkPoints(points); err != nil {
		return nil, err
	}
	f := &Fit{Points: points, DF: len(points) - 3}
	for i, relative := range []bool{false, true} {
		f.profiles[i] = newProfile(leastSquares{points: points, at: 1, relative: relative})
	}
	f.USL = f.profiles[0].best
	f.RSE, f.SE = f.profiles[0].errors()
	f.Gamma95, f.Alpha95, f.Beta95 = f.interval(1, 0), f.interval(1, 1), f.interval(1, 2)
	return f, nil
}

// starts are the α and β that a walk begins at: where R's usl begins, and some that lead out of the side valleys that wild
// measurements have.
var starts = [][2]float64{{0.01, 0.0001}, {0, 0}, {0.3, 0.001}, {0.1, 0.01}, {0.5, 0.1}}

func newProfile(ls leastSquares) profile {
	var node float64
	for _, pt := range ls.points {
		node = max(node, pt.RPS/float64(pt.Nodes))
	}
	best, sum := parameters{}, math.Inf(1)
	for _, start := range starts {
		if p, s := ls.minimise(parameters{node, start[0], start[1]}, [3]bool{}); s < sum {
			best, sum = p, s
		}
	}
	p := profile{leastSquares: ls, best: ls.law(best), limit: math.Inf(1)}
	if df := float64(len(ls.points) - 3); df > 0 {
		t := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(0.975)
		p.limit = max(sum, p.noise()) * (1 + t*t/df)
	}
	return p
}

// noise is the least sum of squares that arithmetic can tell from a perfect fit.
func (p profile) noise() (sum float64) {
	for _, pt := range p.points {
		r := 1e-9
		if !p.relative {
			r *= pt.RPS
		}
		sum += r * r
	}
	return sum
}

// errors are the residual standard error and the standard errors of the parameters.
func (p profile) errors() (rse float64, se USL) {
	df := float64(len(p.points) - 3)
	if df == 0 {
		nan := math.NaN()
		return nan, USL{nan, nan, nan}
	}
	best := p.parameters(p.best)
	rse = math.Sqrt(p.sum(best) / df)
	jj, _ := p.normal(best)
	inverse, ok := invert(jj)
	if !ok {
		nan := math.NaN()
		return rse, USL{nan, nan, nan}
	}
	return rse, USL{
		Gamma: rse * math.Sqrt(inverse[0][0]),
		Alpha: rse * math.Sqrt(inverse[1][1]),
		Beta:  rse * math.Sqrt(inverse[2][2]),
	}
}

// interval spans both profiles' intervals of parameter i, written for a fleet of `at` nodes.
func (f *Fit) interval(at float64, i int) Interval {
	span := Interval{math.Inf(1), 0}
	for _, p := range f.profiles {
		ls := p.leastSquares
		ls.at = at
		one := ls.interval(ls.parameters(p.best), i, p.limit)
		span = Interval{min(span.Low, one.Low), max(span.High, one.High)}
	}
	return span
}

// Predict is the 95 % interval of the throughput of n nodes.
func (f *Fit) Predict(n float64) Interval { return f.interval(n, 0) }

// Largest is the largest fleet that was measured.
func (f *Fit) Largest() int { return f.Points[len(f.Points)-1].Nodes }

// Sizes is the number of distinct fleet sizes that were measured.
func (f *Fit) Sizes() int {
	return len(slices.CompactFunc(slices.Clone(f.Points), func(a, b Point) bool { return a.Nodes == b.Nodes }))
}
