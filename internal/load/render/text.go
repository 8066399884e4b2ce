// Package render writes the document of a load test for people: [Text] writes tables for a terminal, and [HTML] writes
// a page with plots.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// Text writes the steps as a table, the latencies as bars, and the knee.
func Text(w io.Writer, d *curve.Document) error {
	var b strings.Builder
	switch {
	case len(d.Scaling) > 0:
		writeScaling(&b, d)
	case len(d.Steps) > 0:
		writeSteps(&b, d)
	default:
		b.WriteString("nothing was measured\n")
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeSteps(b *strings.Builder, d *curve.Document) {
	steps := byRate(d.Steps)
	writeTable(b, d.Unit, steps)
	if len(steps) > 1 && steps[0].Users == 0 {
		b.WriteString("\n")
		writeBars(b, deciding(steps), d.Knee)
	}
	writeJourney(b, d)
	if !d.Objective.IsZero() {
		fmt.Fprintf(b, "\nobjective %v\n", d.Objective)
	}
	if d.Knee != nil {
		fmt.Fprintf(b, "knee %s\n", kneeText(*d.Knee, d.Unit))
	}
	if d.End != "" {
		fmt.Fprintf(b, "%s\n", d.End)
	}
}

// writeTable writes one row for each step, and below the table the remarks about the steps.
func writeTable(b *strings.Builder, unit curve.Unit, steps []curve.Step) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(stepHead(steps), "\t"))
	for _, r := range stepRows(steps) {
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(r.Cells, "\t"), r.Remark)
	}
	tw.Flush()
	fmt.Fprintf(b, "rates in %s, latencies in ms from the scheduled time; service: from the time a request was sent\n", unit)
	for i := range steps {
		for _, remark := range remarks(&steps[i]) {
			fmt.Fprintf(b, "  %s\n", remark)
		}
	}
}

// writeJourney writes one row for each step of the journey and marks the slowest.
func writeJourney(b *strings.Builder, d *curve.Document) {
	s := shownStep(d)
	if s == nil {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", journeyTitle(s))
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(journeyHead, "\t"))
	slowest := slices.MaxFunc(s.Journey, slower)
	for _, j := range s.Journey {
		note := ""
		if j == slowest && len(s.Journey) > 1 {
			note = "  <- slowest"
		}
		fmt.Fprintf(tw, "%s\t  %s%s\n", strings.Join(journeyCells(j), "\t"), j.Name, note)
	}
	tw.Flush()
}

// writeScaling writes one row for each fleet size, and the steps of the sizes whose knee is not known exactly.
func writeScaling(b *strings.Builder, d *curve.Document) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%s\t\n", strings.Join(sizeHead, "\t"))
	largest := 0.0
	for _, s := range d.Scaling {
		if s.Knee != nil {
			largest = max(largest, s.Knee.Rate)
		}
	}
	for _, s := range d.Scaling {
		bar := ""
		if s.Knee != nil {
			bar = strings.Repeat("#", max(1, int(barWidth*s.Knee.Rate/largest)))
		}
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(sizeCells(s), "\t"), bar)
	}
	tw.Flush()
	fmt.Fprintf(b, "rates in %s, objective %v\n", d.Unit, d.Objective)
	for _, s := range d.Scaling {
		if !s.Exact() && len(s.Steps) > 0 {
			fmt.Fprintf(b, "\n%s: %s\n", sizeName(s), s.End)
			writeTable(b, d.Unit, byRate(s.Steps))
		}
	}
}
