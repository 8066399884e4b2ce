package main

import (
	"fmt"
	"io"
	"sync"
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
	live bool        // w is a terminal
	busy *sync.Mutex // held while something is written
}

func newProgress(t *terminal) *progress {
	return &progress{t.stderr, isTerminal(t.stderr), &t.progress}
}

// show overwrites the line with the state of the running step. A terminal that was stopped must not stop the
// measurement: show does not wait until the line is written, and leaves a line out while the last one is not written.
func (p *progress) show(s load.Progress) {
	if !p.live || !p.busy.TryLock() {
		return
	}
	go func() { // ends with the write, which an interrupt ends
		defer p.busy.Unlock()
		fmt.Fprintf(p.w, "\r\x1b[K%s", progressText(s))
	}()
}

// clear removes the line that show wrote.
func (p *progress) clear() {
	if p.live {
		p.busy.Lock()
		defer p.busy.Unlock()
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
