package main

import (
	"fmt"
	"io"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load"
	"github.com/tenfold-go/tenfold/internal/load/render"
	"github.com/tenfold-go/tenfold/internal/report"
)

// progress shows how far a load test is. On a terminal it is one line that is overwritten. Elsewhere it is one line for
// each step of a search.
type progress struct {
	w    io.Writer
	live bool // w is a terminal
}

func newProgress(w io.Writer) *progress { return &progress{w, isTerminal(w)} }

// show overwrites the line with the state of the running step.
func (p *progress) show(s load.Progress) {
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K%s", progressText(s))
	}
}

// clear removes the line that show wrote.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// step writes the result of a step of a search.
func (p *progress) step(s *curve.Step) {
	p.clear()
	fmt.Fprintln(p.w, render.Step(s))
}

func progressText(p load.Progress) string {
	seconds := int(p.Elapsed.Seconds())
	if p.Recovering {
		return fmt.Sprintf("waiting until the target has recovered, %d s", seconds)
	}
	what, state := report.Short(p.Offered)+"/s", "measuring"
	if p.Users > 0 {
		what = report.Count(p.Users, "user")
	}
	if p.Warming {
		state = "warming up"
	}
	return fmt.Sprintf("%s, %s, %d s: %.0f responses/s, p50 %v, p99 %v, %.2f%% errors", what, state, seconds, p.Rate,
		p.P50.Round(10*time.Microsecond), p.P99.Round(10*time.Microsecond), 100*p.Failed)
}
