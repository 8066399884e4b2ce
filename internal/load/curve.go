package load

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	barWidth  = 40
	barFactor = 4 // the longest bar is so many times the slowest rate that held: what broke must not hide what did not
)

// drawCurve draws the 99th percentile over the rate. Bars begin at 0, so that one twice as long is twice as slow; what
// broke may go on beyond the drawing.
func drawCurve(b *strings.Builder, steps []*Step, k *Knee) {
	largest, held, width := 0.0, 0.0, len("offered")
	for _, s := range steps {
		largest = max(largest, s.together().P99)
		if s.Verdict == nil || s.Verdict.Outcome == Held {
			held = max(held, s.together().P99)
		}
		width = max(width, utf8.RuneCountInString(number(s.Offered)))
	}
	if largest == 0 {
		return
	}
	beyond := ""
	if held > 0 && largest > barFactor*held {
		largest, beyond = barFactor*held, "; > goes on"
	}
	fmt.Fprintf(b, "%*s  p99, ms (from 0%s)\n", width, "offered", beyond)
	for _, s := range steps {
		p99 := s.together().P99
		fill, end, note := "#", "", ""
		switch {
		case s.Verdict == nil || s.Verdict.Outcome == Held:
		case s.Verdict.Outcome == Broke:
			fill = "!"
		default:
			fill = "?"
		}
		n := int(barWidth*p99/largest + 0.5)
		if p99 > largest {
			n, end = barWidth-1, ">"
		}
		if k != nil && s.Offered == k.Rate {
			note = "  <- knee"
		}
		fmt.Fprintf(b, "%*s  %s%s %s%s\n", width, number(s.Offered), strings.Repeat(fill, n), end, ms(p99), note)
	}
}
