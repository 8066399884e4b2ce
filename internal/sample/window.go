package sample

import (
	"iter"
	"sync"
	"time"
)

// Window keeps the newest samples of one service. It is bounded: when it is full, a new sample replaces the oldest one.
// It is safe for concurrent use.
type Window struct {
	mu      sync.Mutex
	samples []Sample // a ring of fixed capacity
	next    int      // where Add stores the next sample once the ring is full
}

// NewWindow returns an empty window for at most size samples. size must be positive.
func NewWindow(size int) *Window {
	return &Window{samples: make([]Sample, 0, size)}
}

// Add appends s. Samples must be added in the order of their Time. The window keeps the list of nodes of the newest
// sample only, because a long window over many nodes would need too much memory.
func (w *Window) Add(s Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.samples); n > 0 {
		w.samples[w.index(n-1)].Nodes = nil
	}
	if len(w.samples) < cap(w.samples) {
		w.samples = append(w.samples, s)
		return
	}
	w.samples[w.next] = s
	w.next = (w.next + 1) % len(w.samples)
}

// index returns the position in the ring of the i-th oldest sample.
func (w *Window) index(i int) int { return (w.next + i) % len(w.samples) }

// Len returns the number of samples in the window.
func (w *Window) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.samples)
}

// Last returns the newest sample. It returns false when the window is empty.
func (w *Window) Last() (Sample, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.samples)
	if n == 0 {
		return Sample{}, false
	}
	return w.samples[w.index(n-1)], true
}

// All returns the samples that the window has now, oldest first.
func (w *Window) All() iter.Seq[Sample] {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Sample, len(w.samples))
	for i := range all {
		all[i] = w.samples[w.index(i)]
	}
	return func(yield func(Sample) bool) {
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// Aggregate returns the aggregate of the samples whose Time is after now-span and not after now.
func (w *Window) Aggregate(now time.Time, span time.Duration) Aggregate {
	w.mu.Lock()
	defer w.mu.Unlock()
	var a aggregator
	for i := range w.samples {
		s := &w.samples[w.index(i)]
		if s.Time.After(now.Add(-span)) && !s.Time.After(now) {
			a.add(s)
		}
	}
	return a.result()
}
