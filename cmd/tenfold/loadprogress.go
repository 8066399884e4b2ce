package main

import (
	"fmt"
	"io"
	"time"

	"github.com/tenfold-go/tenfold/internal/load"
)

// progress tells how a load run goes: in one line that is written over on a terminal, in a line per step elsewhere.
type progress struct {
	w    io.Writer
	live bool
}

func newProgress(w io.Writer) *progress { return &progress{w, isTerminal(w)} }

// show writes the state of a step over the one before.
func (p *progress) show(s load.Progress) {
	if !p.live {
		return
	}
	if s.Recovering {
		fmt.Fprintf(p.w, "\r\x1b[Kwaiting until the target has recovered, %d s", int(s.Elapsed.Seconds()))
		return
	}
	what := fmt.Sprintf("%.4g/s", s.Offered)
	if s.Users > 0 {
		what = fmt.Sprintf("%d users", s.Users)
	}
	state := "measuring"
	if s.Warming {
		state = "warming up"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s, %s, %d s: %.0f answers/s, p50 %v, p99 %v, %.2f%% errors", what, state, int(s.Elapsed.Seconds()), s.Rate,
		s.P50.Round(10*time.Microsecond), s.P99.Round(10*time.Microsecond), 100*s.Failed)
}

// clear removes the line that show wrote.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// step writes what a step of a sweep came to.
func (p *progress) step(s *load.Step) {
	p.clear()
	fmt.Fprintf(p.w, "%.4g/s: p99 %.4g ms, %.2f%% errors: %s\n", s.Offered, s.P99, 100*s.Errors, s.Verdict.Outcome)
}
