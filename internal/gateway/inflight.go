package gateway

import (
	"sync/atomic"
	"time"
)

// inFlight counts the requests that have a handler.
type inFlight struct {
	n       atomic.Int64
	waiting atomic.Bool
	none    chan struct{} // capacity 1: n has become 0 while wait is waiting
}

func (f *inFlight) begin() { f.n.Add(1) }

func (f *inFlight) end() {
	if f.n.Add(-1) == 0 && f.waiting.Load() {
		select {
		case f.none <- struct{}{}:
		default: // wait has been told already
		}
	}
}

// wait returns when no request is left, or after the limit. It is called once.
func (f *inFlight) wait(limit time.Duration) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	f.waiting.Store(true)
	for f.n.Load() > 0 {
		select {
		case <-f.none:
		case <-timeout.C:
			return
		}
	}
}
