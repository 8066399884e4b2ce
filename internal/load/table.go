package load

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// number shows a rate with three digits or all before the point.
func number(v float64) string {
	digits := 0
	switch {
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	whole, rest, point := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + rest
	}
	return whole
}

// WriteText writes the steps as a table, the curve as a drawing, and the knee.
func (d *Document) WriteText(w io.Writer) error {
	var b strings.Builder
	if len(d.Scaling) > 0 {
		d.writeScaling(&b)
	} else {
		d.writeSteps(&b)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *Document) writeSteps(b *strings.Builder) {
	steps := d.byRate()
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(d.head(), "\t"))
	for _, s := range steps {
		cells := s.cells()
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(cells[:len(cells)-1], "\t"), cells[len(cells)-1])
	}
	tw.Flush()
	fmt.Fprintf(b, "rates in %s, latencies in ms from the intended start; service: from when a request was sent\n", d.Unit)
	for _, s := range steps {
		s.writeRemarks(b)
	}
	if len(steps) > 1 && steps[0].Users == 0 {
		b.WriteString("\n")
		drawCurve(b, deciding(steps), d.Knee)
	}
	if d.Objective != "" {
		fmt.Fprintf(b, "\nobjective %s\n", d.Objective)
	}
	if d.Knee != nil {
		fmt.Fprintf(b, "knee %s\n", d.Knee.describe(d.Unit))
	}
	if d.End != "" {
		fmt.Fprintf(b, "%s\n", d.End)
	}
}

// describe is the knee with its limits.
func (k Knee) describe(unit string) string {
	text := number(k.Rate) + " " + unit
	switch {
	case k.High > 0 && k.Low > 0:
		text += fmt.Sprintf(" (held at %s, broke at %s)", number(k.Low), number(k.High))
	case k.High > 0:
		text += fmt.Sprintf(" (broke at %s)", number(k.High))
	}
	return text
}

// head names the cells of a step.
func (d *Document) head() []string {
	first := "offered"
	if len(d.Steps) > 0 && d.Steps[0].Users > 0 {
		first = "users"
	}
	return []string{first, "achieved", "p50", "p90", "p99", "p99.9", "max", "service p99", "errors", ""}
}

func (s *Step) cells() []string {
	offered := number(s.Offered)
	if s.Users > 0 {
		offered = strconv.Itoa(s.Users)
	}
	return []string{offered, number(s.Achieved), ms(s.P50), ms(s.P90), ms(s.P99), ms(s.P999), ms(s.Max), ms(s.Service.P99),
		percent(s.Errors), s.mark()}
}

func ms(v float64) string { return number(v) }

// byRate is the steps in the order of their rates.
func (d *Document) byRate() []*Step {
	return slices.SortedStableFunc(slices.Values(d.Steps), func(a, b *Step) int { return cmp.Compare(a.Offered, b.Offered) })
}

// mark is one word on what to think of a step.
func (s *Step) mark() string {
	switch {
	case s.Incomplete:
		return "incomplete"
	case s.Verdict != nil && s.Verdict.Outcome == Broke:
		return "BROKE"
	case !s.Valid:
		return "invalid"
	case s.Verdict != nil:
		return string(s.Verdict.Outcome)
	}
	return ""
}

// writeRemarks says below the table what a row has no room for.
func (s *Step) writeRemarks(b *strings.Builder) {
	at := number(s.Offered)
	if s.Users > 0 {
		at = strconv.Itoa(s.Users) + " users"
	}
	if s.Verdict != nil && s.Verdict.Outcome != Held {
		fmt.Fprintf(b, "  at %s: %s\n", at, s.Verdict.Reason)
	}
	if !s.Valid {
		fmt.Fprintf(b, "  at %s: not valid: %s\n", at, s.InvalidReason)
	}
	if s.RecoverySeconds >= 1 {
		fmt.Fprintf(b, "  at %s: the target took %.0f s to recover from the step before\n", at, s.RecoverySeconds)
	}
	if !s.Steady && !s.Incomplete {
		fmt.Fprintf(b, "  at %s: not steady after a warm-up of %.0f s\n", at, s.WarmupSeconds)
	}
	if s.planned > 0 && s.chance > 0.1*s.planned {
		fmt.Fprintf(b, "  at %s: the duration is short for visits that take so long: what was achieved is good to ±%.0f%%\n", at, 100*s.chance/s.planned)
	}
	if len(s.Faults) > 0 {
		kinds := slices.SortedFunc(maps.Keys(s.Faults), func(x, y string) int {
			return cmp.Or(cmp.Compare(s.Faults[y], s.Faults[x]), cmp.Compare(x, y))
		})
		var parts []string
		for _, k := range kinds[:min(len(kinds), 5)] {
			parts = append(parts, fmt.Sprintf("%d × %s", s.Faults[k], k))
		}
		fmt.Fprintf(b, "  at %s: %s\n", at, strings.Join(parts, ", "))
	}
}

const barWidth = 40

// drawCurve draws the 99th percentile over the rate, on a logarithmic scale so that the knee shows.
func drawCurve(b *strings.Builder, steps []*Step, k *Knee) {
	largest, smallest := 0.0, 0.0
	for _, s := range steps {
		if s.P99 > 0 && (smallest == 0 || s.P99 < smallest) {
			smallest = s.P99
		}
		largest = max(largest, s.P99)
	}
	if smallest == 0 {
		return
	}
	rates := make([]string, len(steps))
	width := len("offered")
	for i, s := range steps {
		rates[i] = number(s.Offered)
		width = max(width, utf8.RuneCountInString(rates[i]))
	}
	fmt.Fprintf(b, "%*s  p99, ms (logarithmic)\n", width, "offered")
	for i, s := range steps {
		n := 0
		if s.P99 > 0 {
			n = 1 + int(float64(barWidth-1)*logShare(s.P99, smallest, largest))
		}
		fill := "#"
		if s.Verdict != nil && s.Verdict.Outcome == Broke {
			fill = "!"
		}
		note := ""
		if k != nil && s.Offered == k.Rate {
			note = "  <- knee"
		}
		fmt.Fprintf(b, "%*s  %s %s%s\n", width, rates[i], strings.Repeat(fill, n), ms(s.P99), note)
	}
}

func (d *Document) writeScaling(b *strings.Builder) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%s\t\n", strings.Join(scalingHead, "\t"))
	largest := 0.0
	for _, s := range d.Scaling {
		largest = max(largest, s.Knee.Rate)
	}
	for _, s := range d.Scaling {
		bar := strings.Repeat("#", max(1, int(barWidth*s.Knee.Rate/largest)))
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(s.cells(), "\t"), bar)
	}
	tw.Flush()
	fmt.Fprintf(b, "rates in %s, objective %s\n", d.Unit, d.Objective)
}

// scalingHead names the cells of a fleet size.
var scalingHead = []string{"nodes", "knee", "held at", "broke at", "per node"}

func (s *Size) cells() []string {
	known := func(rate float64) string {
		if rate == 0 {
			return "-"
		}
		return number(rate)
	}
	return []string{strconv.Itoa(s.Nodes), number(s.Knee.Rate), known(s.Knee.Low), known(s.Knee.High), number(s.Knee.Rate / float64(s.Nodes))}
}
