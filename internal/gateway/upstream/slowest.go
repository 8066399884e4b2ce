package upstream

import (
	"sync/atomic"
	"time"
)

// slowest remembers the longest response time of a service, for one to two windows. The zero value is ready to use.
type slowest struct {
	current atomic.Int64 // a duration

	before time.Duration // of the window before
	began  time.Time     // when the current window began
}

// observe counts a response that took d.
func (s *slowest) observe(d time.Duration) {
	for {
		old := s.current.Load()
		if int64(d) <= old || s.current.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// look returns the longest response time, and begins a new window when the current one is over. It is called by one
// goroutine at a time.
func (s *slowest) look(now time.Time, window time.Duration) time.Duration {
	longest := max(s.before, time.Duration(s.current.Load()))
	if now.Sub(s.began) > window {
		s.before, s.began = time.Duration(s.current.Swap(0)), now
	}
	return longest
}
