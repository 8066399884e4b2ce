package queueing

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Bound is a parameter whose estimate is at an end of its range. The least-squares estimate without the bound would be
// beyond it, so the law cannot describe what the points do.
type Bound struct {
	Parameter string  `json:"parameter"` // alpha or beta
	Value     float64 `json:"value"`     // 0 or 1
}

// AtBounds returns the parameters that are at a bound. A value whose effect on the largest measured fleet is below one
// in a million counts as 0.
func (f *Fit) AtBounds() (bounds []Bound) {
	n := float64(f.Largest())
	for _, p := range []struct {
		name          string
		value, effect float64
	}{{"alpha", f.Alpha, f.Alpha * (n - 1)}, {"beta", f.Beta, f.Beta * n * (n - 1)}} {
		switch {
		case p.effect < 1e-6:
			bounds = append(bounds, Bound{p.name, 0})
		case p.value >= 1-1e-9:
			bounds = append(bounds, Bound{p.name, 1})
		}
	}
	return bounds
}

// Rise is an increase of the throughput of each node from one measured fleet size to a larger one.
type Rise struct {
	From, To Point   // mean throughputs of the two sizes
	Ratio    float64 // throughput of each node of To, over that of From
}

// Limits of what counts as superlinear. Chance alone makes a node of a larger fleet look somewhat faster: the search
// for a knee ends at 5 %.
const (
	clearRise = 1.15 // between any two sizes
	trendRise = 1.08 // from the smallest size to the largest, if the trend over four or more points is significant
)

// Superlinear returns the largest rise if the points are superlinear: each node of a larger fleet carries clearly more
// than each node of a smaller one. The law knows only losses, so its estimate and its intervals do not describe such
// points.
func (f *Fit) Superlinear() (largest Rise, ok bool) {
	means := f.Means()
	for i, from := range means {
		for _, to := range means[i+1:] {
			if r := perNode(to) / perNode(from); r > largest.Ratio {
				largest = Rise{from, to, r}
			}
		}
	}
	first, last := means[0], means[len(means)-1]
	trend := perNode(last)/perNode(first) > trendRise && f.risesSignificantly()
	return largest, largest.Ratio > clearRise || trend
}

func perNode(p Point) float64 { return p.Rate / float64(p.Nodes) }

// Means returns the mean throughput of each measured fleet size, sorted by size.
func (f *Fit) Means() (means []Point) {
	count := 0.0
	for i, p := range f.Points {
		if i == 0 || p.Nodes != f.Points[i-1].Nodes {
			means, count = append(means, Point{Nodes: p.Nodes}), 0
		}
		m := &means[len(means)-1]
		m.Rate = (m.Rate*count + p.Rate) / (count + 1)
		count++
	}
	return means
}

// risesSignificantly reports whether the slope of the logarithm of the throughput over that of the nodes is above 1
// beyond its 95 % interval. Three points are too few to tell.
func (f *Fit) risesSignificantly() bool {
	if len(f.Points) < 4 {
		return false
	}
	n, sx, sy := float64(len(f.Points)), 0.0, 0.0
	for _, p := range f.Points {
		sx, sy = sx+math.Log(float64(p.Nodes)), sy+math.Log(p.Rate)
	}
	var xx, xy, yy float64
	for _, p := range f.Points {
		x, y := math.Log(float64(p.Nodes))-sx/n, math.Log(p.Rate)-sy/n
		xx, xy, yy = xx+x*x, xy+x*y, yy+y*y
	}
	slope := xy / xx
	variance := max(0, yy-slope*xy) / (n - 2) / xx
	t := distuv.StudentsT{Sigma: 1, Nu: n - 2}.Quantile(0.975)
	return slope-t*math.Sqrt(variance) > 1
}

// Scatter returns the root mean square of the relative differences between the points and the law, with respect to the
// degrees of freedom. It is NaN without any.
func (f *Fit) Scatter() float64 {
	if f.DF == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, p := range f.Points {
		r := p.Rate/f.Throughput(float64(p.Nodes)) - 1
		sum += r * r
	}
	return math.Sqrt(sum / float64(f.DF))
}
