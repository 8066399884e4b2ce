package main

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/load"
)

// A terminal that was stopped with Ctrl-S must not stop the measurement.
func TestProgressDoesNotWaitForTheTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		p := &progress{w: w, live: true, busy: &sync.Mutex{}}
		begun := time.Now()
		for range 10 {
			p.show(load.Progress{Elapsed: time.Second})
			synctest.Wait()
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("show waited %v", took)
		}
		go func() { p.clear(); w.Close() }()
		text, _ := io.ReadAll(r)
		if want := "\r\x1b[K" + progressText(load.Progress{Elapsed: time.Second}) + "\r\x1b[K"; string(text) != want {
			t.Errorf("got %q, want %q", text, want)
		}
	})
}
