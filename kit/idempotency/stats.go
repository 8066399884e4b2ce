package idempotency

import (
	"errors"
	"sync/atomic"
)

// Stats are the numbers of calls of a Store in this process, by their result.
type Stats struct {
	Done       uint64 // ran their effect, with any response
	Replayed   uint64 // got a recorded response
	InFlight   uint64 // ErrInFlight
	Mismatched uint64 // ErrMismatch
	Failed     uint64 // any other error
}

// Stats returns the current numbers. Requests without a key are not counted.
func (s *Store[T]) Stats() Stats {
	return Stats{
		Done: s.n.done.Load(), Replayed: s.n.replayed.Load(), InFlight: s.n.inFlight.Load(),
		Mismatched: s.n.mismatched.Load(), Failed: s.n.failed.Load(),
	}
}

type counters struct{ done, replayed, inFlight, mismatched, failed atomic.Uint64 }

func (n *counters) count(replayed bool, err error) {
	switch {
	case errors.Is(err, ErrInFlight):
		n.inFlight.Add(1)
	case errors.Is(err, ErrMismatch):
		n.mismatched.Add(1)
	case err != nil:
		n.failed.Add(1)
	case replayed:
		n.replayed.Add(1)
	default:
		n.done.Add(1)
	}
}
