package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

// plot is a plot of the page, in the coordinates of its SVG.
type plot struct {
	report.Layout
	Title     string
	X, Y      []report.Tick
	Knee      float64 // x of the knee; 0 for none
	KneeRight bool    // there is space for its label on the right
	Lines     []plotLine
}

// layouts are the layouts in which the page has each plot.
var layouts = []report.Layout{
	{Class: "large", Width: 900, Height: 330, Left: 70, Right: 800, Top: 12, Bottom: 300}, report.Small(280, 82),
}

type plotLine struct {
	Name, Class string // Class is a CSS class
	Points      string
	Marks       []plotMark
	LabelY      float64
}

type plotMark struct {
	X, Y float64
	Text string
}

// plots returns the plot of the fleet sizes, or those of latency and throughput by rate, in one layout.
func plots(d *curve.Document, in report.Layout) (all []*plot) {
	add := func(p *plot) {
		if p != nil {
			all = append(all, p)
		}
	}
	if len(d.Scaling) > 0 {
		add(plotScaling(d, in))
		return all
	}
	steps := deciding(byRate(d.Steps))
	if len(steps) < 2 || steps[0].Users > 0 {
		return nil
	}
	last := steps[len(steps)-1].Offered
	line := func(name, class string, value func(*curve.Step) float64) series {
		s := series{name: name, class: class}
		for i := range steps {
			s.x, s.y = append(s.x, steps[i].Offered), append(s.y, value(&steps[i]))
		}
		return s
	}
	latencies := append(limitLines(d.Objective, last),
		line("service p99", "grey", func(s *curve.Step) float64 { return s.Service.P99 }),
		line("p99.9", "violet", func(s *curve.Step) float64 { return s.Overall().P999 }),
		line("p99", "blue", func(s *curve.Step) float64 { return s.Overall().P99 }),
		line("p50", "green", func(s *curve.Step) float64 { return s.Overall().P50 }))
	add(newPlot(in, "Latency in ms by offered rate", true, d.Knee, latencies...))
	add(newPlot(in, fmt.Sprintf("Achieved by offered rate, in %s", d.Unit), false, d.Knee,
		line("offered", "grey", func(s *curve.Step) float64 { return s.Offered }),
		line("achieved", "blue", func(s *curve.Step) float64 { return s.Overall().Achieved })))
	return all
}

// limitLines returns the latency limits of the objective as lines from 0 to the highest rate.
func limitLines(o curve.Objective, highest float64) (lines []series) {
	for _, l := range o.Latencies {
		ms := float64(l.Limit) / float64(time.Millisecond)
		line := series{name: l.Name + " limit", class: "limit", bare: true}
		line.x, line.y = []float64{0, highest}, []float64{ms, ms}
		lines = append(lines, line)
	}
	return lines
}

// plotScaling returns the knee by number of nodes, and the line of linear scaling.
func plotScaling(d *curve.Document, in report.Layout) *plot {
	knees, linear := series{name: "knee", class: "blue"}, series{name: "linear", class: "grey", bare: true}
	perNode := 0.0 // at the first size
	for _, s := range d.Scaling {
		if s.Knee == nil {
			continue
		}
		if perNode == 0 {
			perNode = s.Knee.Rate / float64(s.Nodes)
		}
		knees.x, knees.y = append(knees.x, float64(s.Nodes)), append(knees.y, s.Knee.Rate)
		linear.x, linear.y = append(linear.x, float64(s.Nodes)), append(linear.y, perNode*float64(s.Nodes))
	}
	p := newPlot(in, fmt.Sprintf("Knee by nodes, in %s", d.Unit), false, nil, linear, knees)
	if p != nil { // a number of nodes is a whole number
		p.X = slices.DeleteFunc(p.X, func(t report.Tick) bool { return strings.Contains(t.Text, ".") })
	}
	return p
}

// series is the values of one line.
type series struct {
	name, class string
	x, y        []float64
	bare        bool // not measured: without marks
}

// newPlot draws the series. It returns nil if there is nothing to draw.
func newPlot(in report.Layout, title string, logarithmic bool, knee *curve.Knee, lines ...series) *plot {
	p := &plot{Layout: in, Title: title}
	right, low, high := bounds(lines)
	if right == 0 || high == 0 {
		return nil
	}
	x := report.Axis{High: 1.02 * right, From: p.Left, To: p.Right}
	y := report.Axis{High: 1.05 * high, From: p.Bottom, To: p.Top}
	if logarithmic {
		y.Low, y.High = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high*1.001)))
		y.Logarithmic = true
	}
	if p.X, p.Y = x.Ticks(), y.Ticks(); in.Class == "small" {
		p.X, p.Y = report.ThinX(p.X), report.ThinY(p.Y)
	}
	for _, s := range lines {
		p.Lines = append(p.Lines, s.draw(x, y))
	}
	if knee != nil {
		p.Knee = x.At(knee.Rate)
		p.KneeRight = p.Knee < p.Right-50
	}
	p.spreadLabels()
	return p
}

// bounds returns the largest x, the smallest y above 0 and the largest y.
func bounds(lines []series) (right, low, high float64) {
	low = math.Inf(1)
	for _, s := range lines {
		for i := range s.x {
			right, high = max(right, s.x[i]), max(high, s.y[i])
			if s.y[i] > 0 {
				low = min(low, s.y[i])
			}
		}
	}
	return right, low, high
}

func (s series) draw(x, y report.Axis) plotLine {
	l := plotLine{Name: s.name, Class: s.class}
	var points []string
	for i := range s.x {
		text := fmt.Sprintf("%s at %s: %s", s.name, report.Short(s.x[i]), report.Short(s.y[i]))
		at := plotMark{x.At(s.x[i]), y.At(s.y[i]), text}
		points = append(points, fmt.Sprintf("%g,%g", at.X, at.Y))
		if !s.bare {
			l.Marks = append(l.Marks, at)
		}
		l.LabelY = at.Y
	}
	l.Points = strings.Join(points, " ")
	return l
}

// spreadLabels moves labels apart that would overlap. Their order from top to bottom stays.
func (p *plot) spreadLabels() {
	const height = 15
	order := make([]*plotLine, len(p.Lines))
	for i := range p.Lines {
		order[i] = &p.Lines[i]
	}
	slices.SortStableFunc(order, func(a, b *plotLine) int { return cmp.Compare(a.LabelY, b.LabelY) })
	for i := 1; i < len(order); i++ {
		order[i].LabelY = max(order[i].LabelY, order[i-1].LabelY+height)
	}
}
