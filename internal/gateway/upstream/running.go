package upstream

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
)

// running is the part of an attempt that its node needs to cancel it.
type running struct {
	req       *http.Request // as it was sent to the node; its context ends the attempt
	cancel    context.CancelCauseFunc
	retryable atomic.Bool // there is no response yet, and the request may be sent to another node
	owed      atomic.Bool // it is up to the node to go on, and there is no response yet; never true for gRPC
}

// runningSet has the attempts that run on one node.
type runningSet struct {
	mu  sync.Mutex
	all map[*running]struct{}
}

func (s *runningSet) add(r *running) {
	s.mu.Lock()
	if s.all == nil {
		s.all = make(map[*running]struct{})
	}
	s.all[r] = struct{}{}
	s.mu.Unlock()
}

func (s *runningSet) remove(r *running) {
	s.mu.Lock()
	delete(s.all, r)
	s.mu.Unlock()
}

// cancelAll cancels all attempts with a cause, and returns how many there were.
func (s *runningSet) cancelAll(cause error) int {
	return s.cancel(cause, func(*running) bool { return true })
}

// cancelRetryable cancels the attempts that may be repeated on another node, and returns how many there were.
func (s *runningSet) cancelRetryable(cause error) int {
	return s.cancel(cause, func(r *running) bool { return r.retryable.Load() })
}

// unanswered counts the attempts that wait for their node.
func (s *runningSet) unanswered() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.all {
		if r.owed.Load() {
			n++
		}
	}
	return n
}

func (s *runningSet) cancel(cause error, match func(*running) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.all {
		if r.req.Context().Err() == nil && match(r) {
			r.cancel(cause)
			n++
		}
	}
	return n
}
