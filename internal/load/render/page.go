package render

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// pageTable is a table of the page.
type pageTable struct {
	Title     string
	Head      []string
	Rows      []row
	Latencies bool // some columns are latencies
	Remarks   []string
}

// HTML writes the document as one page. The page loads nothing: no script, style sheet, font or image. HTML writes
// nothing if it fails.
func HTML(w io.Writer, d *curve.Document) error {
	v := struct {
		Document  *curve.Document
		Started   string
		Objective string
		Knee      string
		Plots     [][]*plot // each in all layouts
		Style     template.CSS
		Tables    []pageTable
	}{
		Document: d, Started: d.Started.Format(time.RFC1123), Objective: d.Objective.String(),
		Plots: pagePlots(d), Style: report.Style, Tables: pageTables(d),
	}
	if d.Knee != nil {
		v.Knee = kneeText(*d.Knee, d.Unit)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// pagePlots returns each plot in all layouts.
func pagePlots(d *curve.Document) (all [][]*plot) {
	for _, in := range layouts {
		for i, p := range plots(d, in) {
			if i == len(all) {
				all = append(all, nil)
			}
			all[i] = append(all[i], p)
		}
	}
	return all
}

func pageTables(d *curve.Document) (tables []pageTable) {
	if len(d.Scaling) > 0 {
		sizes := pageTable{Title: "Fleet sizes", Head: sizeHead}
		for _, s := range d.Scaling {
			sizes.Rows = append(sizes.Rows, row{Cells: sizeCells(s)})
		}
		tables = append(tables, sizes)
	}
	for _, s := range d.Scaling {
		if !s.Exact() && len(s.Steps) > 0 {
			tables = append(tables, stepTable(sizeName(s)+": "+s.End, s.Steps))
		}
	}
	if len(d.Steps) > 0 {
		tables = append(tables, stepTable("Steps", d.Steps))
	}
	if s := shownStep(d); s != nil {
		t := pageTable{Title: journeyTitle(s), Head: journeyHead, Latencies: true}
		for _, j := range s.Journey {
			t.Rows = append(t.Rows, row{Cells: journeyCells(j), Remark: j.Name})
		}
		tables = append(tables, t)
	}
	return tables
}

func stepTable(title string, steps []curve.Step) pageTable {
	steps = byRate(steps)
	t := pageTable{Title: title, Head: stepHead(steps), Rows: stepRows(steps), Latencies: true}
	for i := range steps {
		t.Remarks = append(t.Remarks, remarks(&steps[i])...)
	}
	return t
}
