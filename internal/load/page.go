package load

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// WriteHTML writes the document as one page that needs nothing else: no script, no style sheet, no font, no picture.
func (d *Document) WriteHTML(w io.Writer) error {
	v := struct {
		Target, Started, Unit, Arrivals, Objective, Knee, End string

		Plots   []*plot
		Tables  []pageTable
		Remarks []string
	}{
		Target: d.Target, Started: d.Started.Format(time.RFC1123), Unit: d.Unit, Arrivals: d.Arrivals, Objective: d.Objective, End: d.End,
		Plots: d.plots(), Remarks: d.Notes,
	}
	if d.Knee != nil {
		v.Knee = d.Knee.describe(d.Unit)
	}
	if len(d.Scaling) > 0 {
		sizes := pageTable{Title: "Fleet sizes", Head: scalingHead}
		for _, s := range d.Scaling {
			sizes.Rows = append(sizes.Rows, pageRow{Cells: s.cells()})
		}
		v.Tables = append(v.Tables, sizes)
	}
	for _, s := range d.Scaling {
		if !s.exact() && len(s.Steps) > 0 {
			v.Tables = append(v.Tables, newPageTable(s.name()+": "+s.End, s.Steps))
		}
	}
	if len(d.Steps) > 0 {
		v.Tables = append(v.Tables, newPageTable("Steps", d.Steps))
	}
	if s := d.telling(); s != nil {
		t := pageTable{Title: s.partsTitle(), Head: partHead, Latencies: true}
		for _, p := range s.Parts {
			t.Rows = append(t.Rows, pageRow{Cells: p.cells(), Outcome: p.Name})
		}
		v.Tables = append(v.Tables, t)
	}
	var b bytes.Buffer // whole before the first byte is written
	if err := page.Execute(&b, v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// pageTable is a table of the page.
type pageTable struct {
	Title     string
	Head      []string
	Rows      []pageRow
	Latencies bool // in the rows
	Remarks   []string
}

type pageRow struct {
	Class   string
	Cells   []string
	Outcome string
}

func newPageTable(title string, steps []*Step) pageTable {
	steps = byRate(steps)
	t := pageTable{Title: title, Head: head(steps), Latencies: true}
	for _, r := range rows(steps) {
		word, _, _ := strings.Cut(r.mark, ",")
		t.Rows = append(t.Rows, pageRow{strings.ToLower(word), r.cells, r.mark})
	}
	var remarks strings.Builder
	for _, s := range steps {
		s.writeRemarks(&remarks)
	}
	for line := range strings.Lines(remarks.String()) {
		t.Remarks = append(t.Remarks, strings.TrimSpace(line))
	}
	return t
}

// plots are the curve of the fleet sizes, or latency and throughput over the rate.
func (d *Document) plots() (all []*plot) {
	add := func(p *plot) {
		if p != nil {
			all = append(all, p)
		}
	}
	if len(d.Scaling) > 0 {
		add(d.plotScaling())
		return all
	}
	steps := deciding(byRate(d.Steps))
	if len(steps) < 2 || steps[0].Users > 0 {
		return nil
	}
	var p50, p99, p999, service = series{name: "p50", class: "green"}, series{name: "p99", class: "blue"},
		series{name: "p99.9", class: "violet"}, series{name: "service p99", class: "grey"}
	achieved, offered := series{name: "achieved", class: "blue"}, series{name: "offered", class: "grey"}
	for _, s := range steps {
		j := s.together()
		for _, l := range []struct {
			*series
			y float64
		}{{&p50, j.P50}, {&p99, j.P99}, {&p999, j.P999}, {&service, s.Service.P99}, {&achieved, j.Achieved}, {&offered, s.Offered}} {
			l.x, l.series.y = append(l.x, s.Offered), append(l.series.y, l.y)
		}
	}
	latencies := append(d.limits(0, steps[len(steps)-1].Offered), service, p999, p99, p50)
	add(newPlot("Latency in ms by offered rate", true, latencies...))
	add(newPlot("Achieved by offered rate, in "+d.Unit, false, offered, achieved))
	for _, p := range all {
		if d.Knee != nil {
			p.Knee = tenth(p.Left + (p.Right-p.Left)*d.Knee.Rate/(1.02*steps[len(steps)-1].Offered))
		}
	}
	return all
}

// plotScaling is the knee over the nodes, beside what as many lone nodes would carry.
func (d *Document) plotScaling() *plot {
	knees, linear := series{name: "knee", class: "blue"}, series{name: "linear", class: "grey", bare: true}
	first := 0.0 // what a node of the first size carries
	for _, s := range d.Scaling {
		if s.Knee == nil {
			continue
		}
		if first == 0 {
			first = s.Knee.Rate / float64(s.Nodes)
		}
		knees.x, knees.y = append(knees.x, float64(s.Nodes)), append(knees.y, s.Knee.Rate)
		linear.x, linear.y = append(linear.x, float64(s.Nodes)), append(linear.y, first*float64(s.Nodes))
	}
	p := newPlot("Knee by nodes, in "+d.Unit, false, linear, knees)
	if p != nil {
		p.X = slices.DeleteFunc(p.X, func(t tick) bool { return strings.Contains(t.Text, ".") }) // there is no half node
	}
	return p
}

// limits are the objective's latencies, as lines from one rate to another.
func (d *Document) limits(from, to float64) (all []series) {
	var o Objective
	if d.Objective == "" || o.UnmarshalText([]byte(d.Objective)) != nil {
		return nil
	}
	for _, l := range o.latencies {
		ms := milliseconds(l.limit)
		all = append(all, series{name: l.name + " limit", class: "limit", x: []float64{from, to}, y: []float64{ms, ms}, bare: true})
	}
	return all
}

// deciding leaves the last of several steps at one rate: what the others left undecided, it decided.
func deciding(steps []*Step) (last []*Step) {
	for i, s := range steps {
		if i == len(steps)-1 || steps[i+1].Offered != s.Offered {
			last = append(last, s)
		}
	}
	return last
}
