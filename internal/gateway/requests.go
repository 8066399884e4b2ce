package gateway

import (
	"sync/atomic"
	"time"
)

// requests counts the requests that are being handled.
type requests struct {
	n       atomic.Int64
	waiting atomic.Bool
	none    chan struct{} // capacity 1: n became 0 during wait
}

func newRequests() requests { return requests{none: make(chan struct{}, 1)} }

func (q *requests) begin() { q.n.Add(1) }

func (q *requests) end() {
	if q.n.Add(-1) == 0 && q.waiting.Load() {
		select {
		case q.none <- struct{}{}:
		default: // wait has an event to look at already
		}
	}
}

// wait returns when no request is being handled, or after the limit.
func (q *requests) wait(limit time.Duration) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	q.waiting.Store(true)
	defer q.waiting.Store(false)
	for q.n.Load() > 0 {
		select {
		case <-q.none:
		case <-timeout.C:
			return
		}
	}
}
