package main

import (
	"fmt"
	"io"

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
	fmt.Fprintf(p.w, "\r\x1b[K%v", s)
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
	fmt.Fprintln(p.w, s)
}
