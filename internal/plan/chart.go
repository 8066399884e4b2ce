package plan

import (
	"fmt"
	"math"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// chart is the curve of a plan, in the coordinates of an SVG: what the page template needs, and no more.
type chart struct {
	Width, Height            float64
	Unit                     string  // of rates
	Left, Right, Top, Bottom float64 // of the plot
	XTicks, YTicks           []report.Tick
	Curve, Band              string // SVG paths; Band is empty when no interval is known
	Points                   []mark
	Measured, Trusted        float64 // x of the largest measured fleet and of twice it; 0 for no curve
	Required                 mark    // the line to reach; Y is 0 for none
	Chosen                   mark    // the fleet that carries it; X is 0 for none
}

type mark struct {
	X, Y float64
	Text string
}

// newChart draws what is known of the supply; nil when nothing is.
func newChart(a *Answer) *chart {
	s := a.supply
	if s == nil {
		return nil
	}
	c := &chart{Unit: a.Inputs.unit(), Width: 860, Height: 420, Left: 80, Right: 840, Top: 20, Bottom: 370}
	nodes, rps := c.extent(a, s)
	xAxis := report.Axis{High: nodes, From: c.Left, To: c.Right}
	yAxis := report.Axis{High: rps, From: c.Bottom, To: c.Top}
	x, y := xAxis.At, yAxis.At
	c.XTicks, c.YTicks = xAxis.Ticks(), yAxis.Ticks()
	c.draw(s, nodes, x, y)
	if a.Fit != nil {
		for _, p := range a.Fit.Points {
			text := fmt.Sprintf("measured: %s, %s", report.Count(p.Nodes, "node"), a.Inputs.rate(p.RPS))
			c.Points = append(c.Points, mark{x(float64(p.Nodes)), y(p.RPS), text})
		}
		c.Measured, c.Trusted = x(float64(s.measured)), min(x(float64(2*s.measured)), c.Right)
	}
	if f := a.Fleet; f != nil {
		c.Required = mark{0, y(f.RequiredRPS), a.Inputs.rate(f.RequiredRPS) + " required"}
		if f.Reachable {
			n := float64(f.Carrying)
			c.Chosen = mark{x(n), y(s.at(n)), report.Count(f.Carrying, "node") + " for the peak"}
		}
	}
	return c
}

// extent is the largest number of nodes and rate that the chart shows: a fifth more than twice what was measured and than
// what is planned, and the peak of the law where that is near or nothing is planned.
func (c *chart) extent(a *Answer, s *supply) (nodes, rps float64) {
	nodes = max(2, 1.2*float64(2*s.measured))
	if f := a.Fleet; f != nil {
		nodes, rps = max(nodes, 1.2*float64(f.Carrying)), f.RequiredRPS
	}
	if a.Fit != nil {
		far := 1.5
		if a.Fleet == nil || !a.Fleet.Reachable {
			far = 10
		}
		peak, _ := a.Fit.Peak()
		nodes = max(nodes, min(1.2*peak, far*nodes))
	}
	for i := 0.0; i <= 100; i++ {
		rps = max(rps, s.at(1+(nodes-1)*i/100))
	}
	return nodes, 1.12 * rps
}

// draw lays the curve and its interval.
func (c *chart) draw(s *supply, nodes float64, x, y func(float64) float64) {
	const steps = 60
	var curve, upper, lower []string
	known := true
	for i := range steps + 1 {
		n := 1 + (nodes-1)*float64(i)/steps
		at := s.interval(n)
		known = known && !(at.Low == 0 && math.IsInf(at.High, 1))
		curve = append(curve, fmt.Sprintf("%.1f,%.1f", x(n), y(s.at(n))))
		upper = append(upper, fmt.Sprintf("%.1f,%.1f", x(n), y(at.High)))
		lower = append([]string{fmt.Sprintf("%.1f,%.1f", x(n), y(at.Low))}, lower...)
	}
	c.Curve = "M" + strings.Join(curve, " L")
	if known {
		c.Band = "M" + strings.Join(append(upper, lower...), " L") + " Z"
	}
}
