package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/report"
)

const (
	barWidth  = 40
	barFactor = 4 // the longest bar, in multiples of the highest latency that passed, so that these bars stay visible
)

// writeBars draws the 99th percentile by rate. Bars begin at 0, so that a bar of twice the length is twice the latency.
// A failed step can be longer than the drawing.
func writeBars(b *strings.Builder, steps []curve.Step, k *curve.Knee) {
	largest, passed, width := 0.0, 0.0, len("offered")
	for i := range steps {
		p99 := steps[i].Overall().P99
		largest = max(largest, p99)
		if passes(&steps[i]) {
			passed = max(passed, p99)
		}
		width = max(width, utf8.RuneCountInString(report.Short(steps[i].Offered)))
	}
	if largest == 0 {
		return
	}
	cut := ""
	if passed > 0 && largest > barFactor*passed {
		largest, cut = barFactor*passed, "; > is cut off"
	}
	fmt.Fprintf(b, "%*s  p99, ms (from 0%s)\n", width, "offered", cut)
	for i := range steps {
		s := &steps[i]
		note := ""
		if k != nil && s.Offered == k.Rate {
			note = "  <- knee"
		}
		p99 := s.Overall().P99
		fmt.Fprintf(b, "%*s  %s %s%s\n", width, report.Short(s.Offered), bar(s, largest), report.Short(p99), note)
	}
}

// bar draws one step: with ! if it failed, with ? if it was not decided.
func bar(s *curve.Step, largest float64) string {
	fill := "?"
	switch {
	case passes(s):
		fill = "#"
	case s.Outcome() == curve.Fail:
		fill = "!"
	}
	p99 := s.Overall().P99
	if p99 > largest {
		return strings.Repeat(fill, barWidth-1) + ">"
	}
	return strings.Repeat(fill, int(barWidth*p99/largest+0.5))
}

// passes reports whether the step passed, or has no objective.
func passes(s *curve.Step) bool { return s.Verdict == nil || s.Outcome() == curve.Pass }
