package queueing

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Fit is the law with the least squared error to measured points, and how exactly the points determine it.
//
// The estimate is the least-squares estimate within the bounds 0 ≤ α ≤ 1, 0 ≤ β ≤ 1 and γ > 0. R's package usl gives
// the same. The intervals are profile-likelihood intervals. The simpler estimate ± t·SE reaches below zero near a bound
// and then covers the true value in fewer than 95 % of all cases. The error of a measurement may be a number of
// requests or a percentage, and a few points do not show which. An interval therefore spans the intervals of both error
// models.
type Fit struct {
	USL
	Points  []Point  // sorted by Nodes
	SE      USL      // standard errors of the three parameters, from the curvature at the estimate; NaN if DF is 0
	Alpha95 Interval // 95 % intervals; the whole range within the bounds if DF is 0
	Beta95  Interval
	Gamma95 Interval
	RSE     float64 // residual standard error, in units of throughput; NaN if DF is 0
	DF      int     // degrees of freedom: number of points - 3

	profiles [2]profile // for an absolute and for a relative error of measurement
}

// Point is the measured throughput of one fleet size.
type Point struct {
	Nodes int     `json:"nodes"` // 1 to MaxNodes
	Rate  float64 `json:"rps"`   // throughput, above 0 and at most MaxRate
}

// Interval is a range of plausible values, both ends included. High may be +Inf.
type Interval struct{ Low, High float64 }

// A fit has three parameters and needs MinSizes distinct fleet sizes. With MinSizes, no degree of freedom is left to
// estimate the error. R's usl and codahale/usl recommend RecommendedSizes.
const (
	MinSizes         = 3
	RecommendedSizes = 6
)

// Largest values of a Point.
const (
	MaxNodes = 1_000_000
	MaxRate  = 1e12
)

// FitUSL fits the law to points. A fleet size may have several points. FitUSL fails if a point is out of range or if
// the points have fewer than MinSizes distinct fleet sizes.
func FitUSL(points []Point) (*Fit, error) {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return a.Nodes - b.Nodes })
	if err := CheckPoints(points); err != nil {
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

// CheckPoints returns the error of FitUSL without making the fit.
func CheckPoints(points []Point) error {
	sizes := map[int]bool{}
	for _, p := range points {
		if err := p.Check(); err != nil {
			return err
		}
		sizes[p.Nodes] = true
	}
	if len(sizes) < MinSizes {
		return fmt.Errorf("measured fleet sizes: %d, but a fit of three parameters needs at least %d, better %d",
			len(sizes), MinSizes, RecommendedSizes)
	}
	return nil
}

// Check returns an error if a value is out of range.
func (p Point) Check() error {
	if p.Nodes < 1 || p.Nodes > MaxNodes {
		return fmt.Errorf("fleet size %d: want 1 to 1,000,000", p.Nodes)
	}
	if !(p.Rate > 0 && p.Rate <= MaxRate) {
		return fmt.Errorf("rate %g of fleet size %d: want above 0, up to 1e12", p.Rate, p.Nodes)
	}
	return nil
}

// Predict returns the 95 % interval of the throughput of n nodes.
func (f *Fit) Predict(n float64) Interval { return f.interval(n, 0) }

// interval returns the interval of parameter i, where parameter 0 is the throughput of a fleet of `at` nodes.
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

// Largest returns the largest measured fleet size.
func (f *Fit) Largest() int { return f.Points[len(f.Points)-1].Nodes }

// Sizes returns the number of distinct fleet sizes.
func (f *Fit) Sizes() int {
	return len(slices.CompactFunc(slices.Clone(f.Points), func(a, b Point) bool { return a.Nodes == b.Nodes }))
}

// profile is the best law under one model of the measurement error, and which other laws are plausible.
type profile struct {
	leastSquares
	best  USL
	limit float64 // a law is plausible at 95 % if its sum of squares is at most this
}

// startingPoints are the α and β from which newProfile searches. The first is the one of R's usl. The others avoid the
// local minima of very irregular measurements.
var startingPoints = [][2]float64{{0.01, 0.0001}, {0, 0}, {0.3, 0.001}, {0.1, 0.01}, {0.5, 0.1}}

func newProfile(ls leastSquares) profile {
	var node float64
	for _, p := range ls.points {
		node = max(node, p.Rate/float64(p.Nodes))
	}
	best, sum := parameters{}, math.Inf(1)
	for _, start := range startingPoints {
		if p, s := ls.minimise(parameters{node, start[0], start[1]}, [3]bool{}); s < sum {
			best, sum = p, s
		}
	}
	p := profile{leastSquares: ls, best: ls.law(best), limit: math.Inf(1)}
	if df := float64(len(ls.points) - 3); df > 0 {
		t := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(0.975)
		p.limit = max(sum, p.roundingError()) * (1 + t*t/df)
	}
	return p
}

// roundingError returns the sum of squares that rounding alone can cause. A smaller sum cannot be told from a perfect
// fit.
func (p profile) roundingError() (sum float64) {
	for _, pt := range p.points {
		r := 1e-9
		if !p.relative {
			r *= pt.Rate
		}
		sum += r * r
	}
	return sum
}

// errors returns the residual standard error and the standard errors of the parameters. They are NaN if there is no
// degree of freedom, and the latter also if the curvature is singular.
func (p profile) errors() (rse float64, se USL) {
	nan := math.NaN()
	se = USL{nan, nan, nan}
	df := float64(len(p.points) - 3)
	if df == 0 {
		return nan, se
	}
	best := p.parameters(p.best)
	rse = math.Sqrt(p.sum(best) / df)
	jj, _ := p.normalEquations(best)
	if inverse, ok := invert(jj); ok {
		se = USL{
			Gamma: rse * math.Sqrt(inverse[0][0]),
			Alpha: rse * math.Sqrt(inverse[1][1]),
			Beta:  rse * math.Sqrt(inverse[2][2]),
		}
	}
	return rse, se
}
