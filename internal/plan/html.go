package plan

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// WriteHTML writes the plan as one page, in the words of t. The page loads nothing: no script, style sheet, font or
// image.
func (p *Plan) WriteHTML(w io.Writer, t Terms) error {
	var b bytes.Buffer // so that an error leaves w unchanged
	err := page.Execute(&b, struct {
		Advice   string
		Charts   []*chart // in all layouts
		Style    template.CSS
		Sections []section
	}{p.Advice().Text(t), newCharts(p), report.Style, p.sections(t)})
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// chart is the curve of a plan in SVG coordinates, for the page template.
type chart struct {
	report.Layout
	Unit              string // of rates
	Beyond            string // name of the area beyond the trusted sizes
	XTicks, YTicks    []report.Tick
	Curve, Band       string // SVG paths; Band is empty if no interval is known
	Points            []mark
	Measured, Trusted float64 // x of the largest measured fleet and of twice it; 0 without a curve
	Required          mark    // line at the required rate; Y is 0 without one
	Chosen            mark    // fleet that carries it; X is 0 without one
}

type mark struct {
	X, Y float64
	Text string
	End  bool // the text stands in front of the mark
}

// chartLayouts are the layouts in which the page has the chart.
var chartLayouts = []report.Layout{
	{Class: "large", Width: 860, Height: 420, Left: 80, Right: 840, Top: 20, Bottom: 370}, report.Small(320, 8),
}

// newCharts draws the capacity in all layouts. It returns nil if the capacity is not known.
func newCharts(p *Plan) (all []*chart) {
	for _, layout := range chartLayouts {
		if p.capacity != nil {
			all = append(all, newChart(p, layout))
		}
	}
	return all
}

func newChart(p *Plan, layout report.Layout) *chart {
	capacity, in := p.capacity, p.Inputs
	c := &chart{Layout: layout, Unit: in.unit(), Beyond: "beyond twice the largest measured fleet"}
	nodes, rps := chartExtent(p)
	xAxis := report.Axis{High: nodes, From: c.Left, To: c.Right}
	yAxis := report.Axis{High: rps, From: c.Bottom, To: c.Top}
	x, y := xAxis.At, yAxis.At
	if c.XTicks, c.YTicks = xAxis.Ticks(), yAxis.Ticks(); layout.Class == "small" {
		c.XTicks, c.YTicks, c.Beyond = report.ThinX(c.XTicks), report.ThinY(c.YTicks), "beyond 2 × measured"
	}
	c.draw(capacity, nodes, x, y)
	if p.Fit != nil {
		for _, point := range p.Fit.Points {
			text := fmt.Sprintf("measured: %s, %s", report.Count(point.Nodes, "node"), in.rate(point.Rate))
			c.Points = append(c.Points, mark{X: x(float64(point.Nodes)), Y: y(point.Rate), Text: text})
		}
		measured := float64(capacity.measured())
		c.Measured, c.Trusted = x(measured), min(x(2*measured), c.Right)
	}
	if f := p.Fleet; f != nil {
		c.Required = mark{Y: y(f.RequiredRPS), Text: in.rate(f.RequiredRPS) + " required"}
		if f.Reachable {
			n := float64(f.Carrying)
			c.Chosen = mark{X: x(n), Y: y(capacity.at(n)), Text: report.Count(f.Carrying, "node") + " for the peak", End: x(n) > (c.Left+c.Right)/2}
		}
	}
	return c
}

// chartExtent returns the largest number of nodes and the largest rate of the chart. It contains twice the largest
// measured fleet and the planned fleet, with a fifth more. It also contains the peak of the law if that is near or if
// no fleet is planned.
func chartExtent(p *Plan) (nodes, rps float64) {
	c := p.capacity
	nodes = max(2, 1.2*float64(2*c.measured()))
	if f := p.Fleet; f != nil {
		nodes, rps = max(nodes, 1.2*float64(f.Carrying)), f.RequiredRPS
	}
	if c.rise != nil {
		nodes = max(2, float64(c.measured())) // the curve ends there
	} else if p.Fit != nil {
		near := 1.5
		if p.Fleet == nil || !p.Fleet.Reachable {
			near = 10
		}
		peak, _ := p.Fit.Peak()
		nodes = max(nodes, min(1.2*peak, near*nodes))
	}
	for i := 0.0; i <= 100; i++ {
		rps = max(rps, c.at(1+(nodes-1)*i/100))
	}
	return nodes, 1.12 * rps
}

// draw sets the paths of the curve and its interval.
func (c *chart) draw(capacity *capacity, nodes float64, x, y func(float64) float64) {
	const steps = 60
	var curve, upper, lower []string
	known := true
	for i := range steps + 1 {
		n := 1 + (nodes-1)*float64(i)/steps
		at := capacity.interval(n)
		known = known && !(at.Low == 0 && math.IsInf(at.High, 1))
		curve = append(curve, fmt.Sprintf("%.1f,%.1f", x(n), y(capacity.at(n))))
		upper = append(upper, fmt.Sprintf("%.1f,%.1f", x(n), y(at.High)))
		lower = append([]string{fmt.Sprintf("%.1f,%.1f", x(n), y(at.Low))}, lower...)
	}
	c.Curve = "M" + strings.Join(curve, " L")
	if known {
		c.Band = "M" + strings.Join(append(upper, lower...), " L") + " Z"
	}
}
