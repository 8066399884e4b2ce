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
)

// number shows a rate with three digits or all before the point.
func number(v float64) string {
	digits := 0
	switch {
	case v > 0 && v < 0.01:
		return strconv.FormatFloat(v, 'g', 2, 64)
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
	switch {
	case len(d.Scaling) > 0:
		d.writeScaling(&b)
	case len(d.Steps) > 0:
		d.writeSteps(&b)
	default:
		b.WriteString("nothing was measured\n")
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *Document) writeSteps(b *strings.Builder) {
	steps := byRate(d.Steps)
	d.writeTable(b, steps)
	if len(steps) > 1 && steps[0].Users == 0 {
		b.WriteString("\n")
		drawCurve(b, deciding(steps), d.Knee)
	}
	d.writeParts(b)
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

// writeTable writes steps in the order of their rates, and below what a row has no room for.
func (d *Document) writeTable(b *strings.Builder, steps []*Step) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(head(steps), "\t"))
	for _, r := range rows(steps) {
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(r.cells, "\t"), r.mark)
	}
	tw.Flush()
	fmt.Fprintf(b, "rates in %s, latencies in ms from the intended start; service: from when a request was sent\n", d.Unit)
	for _, s := range steps {
		s.writeRemarks(b)
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
func head(steps []*Step) []string {
	first := "offered"
	if len(steps) > 0 && steps[0].Users > 0 {
		first = "users"
	}
	return []string{first, "achieved", "p50", "p90", "p99", "p99.9", "max", "service p99", "errors", ""}
}

// row is a line of a table of steps.
type row struct {
	cells []string
	mark  string // one word or two on what to think of it
}

// rows are the steps, and what several of them came to together.
func rows(steps []*Step) (all []row) {
	for _, s := range steps {
		offered := number(s.Offered)
		if s.Users > 0 {
			offered = strconv.Itoa(s.Users)
		}
		all = append(all, row{[]string{offered, number(s.Achieved), ms(s.P50), ms(s.P90), ms(s.P99), ms(s.P999), ms(s.Max),
			ms(s.Service.P99), percent(s.Errors)}, s.mark()})
		if j := s.Joined; j != nil {
			mark := outcome(s.Verdict) + ", " + j.text()
			all = append(all, row{[]string{offered, number(j.Achieved), ms(j.P50), ms(j.P90), ms(j.P99), ms(j.P999), ms(j.Max), "",
				percent(j.Errors)}, mark})
		}
	}
	return all
}

func ms(v float64) string { return number(v) }

// byRate is the steps in the order of their rates.
func byRate(steps []*Step) []*Step {
	return slices.SortedStableFunc(slices.Values(steps), func(a, b *Step) int { return cmp.Compare(a.Offered, b.Offered) })
}

// mark is one word on what to think of a step alone.
func (s *Step) mark() string {
	switch {
	case s.Incomplete:
		return "incomplete"
	case s.Verdict != nil && s.Verdict.Outcome == Broke && s.Joined == nil:
		return outcome(s.Verdict)
	case !s.Valid:
		return "invalid"
	case s.Verdict != nil && s.Joined == nil:
		return outcome(s.Verdict)
	}
	return ""
}

// String is the step in a line, with what was decided and why.
func (s *Step) String() string {
	text := fmt.Sprintf("%s/s: p99 %s ms, %s errors", number(s.Offered), ms(s.P99), percent(s.Errors))
	if s.Users > 0 {
		text = fmt.Sprintf("%d users: p99 %s ms, %s errors", s.Users, ms(s.P99), percent(s.Errors))
	}
	switch v := s.Verdict; {
	case v == nil:
		return text
	case v.Outcome == Held:
		return text + ": held"
	default:
		return fmt.Sprintf("%s: %s: %s", text, v.Outcome, v.Reason)
	}
}

// outcome is the verdict in a word: the one that matters most is the loudest.
func outcome(v *Verdict) string {
	if v.Outcome == Broke {
		return "BROKE"
	}
	return string(v.Outcome)
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
	if said := s.Verdict != nil && strings.HasSuffix(s.Verdict.Reason, s.InvalidReason); !s.Valid && !said {
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

func (d *Document) writeScaling(b *strings.Builder) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%s\t\n", strings.Join(scalingHead, "\t"))
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
		fmt.Fprintf(tw, "%s\t  %s\n", strings.Join(s.cells(), "\t"), bar)
	}
	tw.Flush()
	fmt.Fprintf(b, "rates in %s, objective %s\n", d.Unit, d.Objective)
	for _, s := range d.Scaling {
		if !s.exact() && len(s.Steps) > 0 {
			fmt.Fprintf(b, "\n%s: %s\n", s.name(), s.End)
			d.writeTable(b, byRate(s.Steps))
		}
	}
}

// scalingHead names the cells of a fleet size.
var scalingHead = []string{"nodes", "knee", "held at", "broke at", "per node"}

func (s *Size) cells() []string {
	nodes, k := strconv.Itoa(s.Nodes), s.Knee
	if k == nil {
		return []string{nodes, "-", "-", "-", "-"}
	}
	known := func(rate float64) string {
		if rate == 0 {
			return "-"
		}
		return number(rate)
	}
	bound := ""
	if k.High == 0 {
		bound = "≥ "
	}
	return []string{nodes, bound + number(k.Rate), known(k.Low), known(k.High), bound + number(k.Rate/float64(s.Nodes))}
}

func (s *Size) name() string {
	if s.Nodes == 1 {
		return "1 node"
	}
	return strconv.Itoa(s.Nodes) + " nodes"
}
