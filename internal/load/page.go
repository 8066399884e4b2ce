package load

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// WriteHTML writes the document as one page that needs nothing else: no script, no style sheet, no font, no picture.
func (d *Document) WriteHTML(w io.Writer) error {
	type row struct {
		Class string
		Cells []string
	}
	v := struct {
		Target, Started, Unit, Arrivals, Objective, Knee, End string
		Plots                                                 []*plot
		Head                                                  []string
		Rows                                                  []row
		Remarks                                               []string
	}{
		Target: d.Target, Started: d.Started.Format(time.RFC1123), Unit: d.Unit, Arrivals: d.Arrivals, Objective: d.Objective, End: d.End,
		Plots: d.plots(), Head: d.head(), Remarks: d.Notes,
	}
	if d.Knee != nil {
		v.Knee = d.Knee.describe(d.Unit)
	}
	var remarks strings.Builder
	for _, s := range d.byRate() {
		v.Rows = append(v.Rows, row{strings.ToLower(s.mark()), s.cells()})
		s.writeRemarks(&remarks)
	}
	for line := range strings.Lines(remarks.String()) {
		v.Remarks = append(v.Remarks, strings.TrimSpace(line))
	}
	for _, s := range d.Scaling {
		v.Remarks = append(v.Remarks, fmt.Sprintf("%d nodes: knee %s", s.Nodes, s.Knee.describe(d.Unit)))
	}
	var b bytes.Buffer // whole before the first byte is written
	if err := page.Execute(&b, v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// plots are the curve of the fleet sizes, or latency and throughput over the rate.
func (d *Document) plots() (all []*plot) {
	add := func(p *plot) {
		if p != nil {
			all = append(all, p)
		}
	}
	if len(d.Scaling) > 0 {
		knees, linear := series{name: "knee", color: "#1f5fbf"}, series{name: "linear", color: "#9aa5b1"}
		for _, s := range d.Scaling {
			knees.x, knees.y = append(knees.x, float64(s.Nodes)), append(knees.y, s.Knee.Rate)
			linear.x = append(linear.x, float64(s.Nodes))
			linear.y = append(linear.y, d.Scaling[0].Knee.Rate*float64(s.Nodes)/float64(d.Scaling[0].Nodes))
		}
		add(newPlot("Knee by nodes, in "+d.Unit, false, linear, knees))
		return all
	}
	steps := d.byRate()
	if len(steps) < 2 {
		return nil
	}
	var p50, p99, p999, service = series{name: "p50", color: "#2e8b57"}, series{name: "p99", color: "#1f5fbf"},
		series{name: "p99.9", color: "#7b4fb3"}, series{name: "service p99", color: "#9aa5b1"}
	achieved, offered := series{name: "achieved", color: "#1f5fbf"}, series{name: "offered", color: "#9aa5b1"}
	for _, s := range steps {
		for _, l := range []struct {
			*series
			y float64
		}{{&p50, s.P50}, {&p99, s.P99}, {&p999, s.P999}, {&service, s.Service.P99}, {&achieved, s.Achieved}, {&offered, s.Offered}} {
			l.x, l.series.y = append(l.x, s.Offered), append(l.series.y, l.y)
		}
	}
	add(newPlot("Latency in ms by offered rate", true, service, p50, p99, p999))
	add(newPlot("Achieved by offered rate, in "+d.Unit, false, offered, achieved))
	for _, p := range all {
		if d.Knee != nil {
			p.Knee = tenth(p.Left + (p.Right-p.Left)*d.Knee.Rate/(1.02*steps[len(steps)-1].Offered))
		}
	}
	return all
}
