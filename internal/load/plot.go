package load

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// plot is a drawing in the coordinates of an SVG: what the page template needs, and no more.
type plot struct {
	Title                    string
	Width, Height            float64
	Left, Right, Top, Bottom float64 // of the plotted area
	X, Y                     []tick
	Knee                     float64 // where the knee is; 0 for none
	Lines                    []line2D
}

type tick struct {
	At   float64
	Text string
}

type line2D struct {
	Name, Class string // a class of the page's style sheet
	Points      string
	Marks       []mark
	LabelY      float64
}

type mark struct {
	X, Y float64
	Text string
}

// series is what a line shows.
type series struct {
	name, class string
	x, y        []float64
	bare        bool // without marks: it was not measured
}

// newPlot draws the series, with a logarithmic y where that is asked for. It is nil when there is nothing to draw.
func newPlot(title string, logarithmic bool, all ...series) *plot {
	p := &plot{Title: title, Width: 900, Height: 330, Left: 70, Right: 800, Top: 12, Bottom: 300}
	right, low, high := 0.0, math.Inf(1), 0.0
	for _, s := range all {
		for i := range s.x {
			right = max(right, s.x[i])
			if high = max(high, s.y[i]); s.y[i] > 0 {
				low = min(low, s.y[i])
			}
		}
	}
	if right == 0 || high == 0 {
		return nil
	}
	right *= 1.02
	x := func(v float64) float64 { return tenth(p.Left + (p.Right-p.Left)*v/right) }
	y := func(v float64) float64 { return tenth(p.Bottom - (p.Bottom-p.Top)*v/(1.05*high)) }
	if logarithmic {
		low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high*1.001)))
		y = func(v float64) float64 {
			return tenth(p.Bottom - (p.Bottom-p.Top)*max(0, logShare(max(v, low), low, high)))
		}
		for v := low; v <= high*1.001; v *= 10 {
			p.Y = append(p.Y, tick{y(v), plain(v)})
		}
	} else {
		for _, v := range round10(high) {
			p.Y = append(p.Y, tick{y(v), plain(v)})
		}
	}
	for _, v := range round10(right) {
		p.X = append(p.X, tick{x(v), plain(v)})
	}
	for _, s := range all {
		l := line2D{Name: s.name, Class: s.class}
		var points []string
		for i := range s.x {
			points = append(points, fmt.Sprintf("%g,%g", x(s.x[i]), y(s.y[i])))
			if !s.bare {
				l.Marks = append(l.Marks, mark{x(s.x[i]), y(s.y[i]), fmt.Sprintf("%s at %s: %s", s.name, plain(s.x[i]), number(s.y[i]))})
			}
			l.LabelY = y(s.y[i])
		}
		l.Points = strings.Join(points, " ")
		p.Lines = append(p.Lines, l)
	}
	p.spreadLabels()
	return p
}

// spreadLabels moves labels that would cover each other apart, in the order of their lines from top to bottom.
func (p *plot) spreadLabels() {
	const height = 13
	order := make([]*line2D, len(p.Lines))
	for i := range p.Lines {
		order[i] = &p.Lines[i]
	}
	slices.SortStableFunc(order, func(a, b *line2D) int { return cmp.Compare(a.LabelY, b.LabelY) })
	for i := 1; i < len(order); i++ {
		order[i].LabelY = max(order[i].LabelY, order[i-1].LabelY+height)
	}
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

// plain shows the value of a tick.
func plain(v float64) string {
	if v != 0 && v < 1 {
		return fmt.Sprintf("%g", v)
	}
	return number(v)
}

// round10 are about six round numbers from 0 to largest.
func round10(largest float64) (at []float64) {
	step := math.Pow(10, math.Floor(math.Log10(largest/4)))
	for _, f := range []float64{5, 2} {
		if largest/(step*f) >= 4 {
			step *= f
			break
		}
	}
	for v := 0.0; v <= largest; v += step {
		at = append(at, v)
	}
	return at
}
