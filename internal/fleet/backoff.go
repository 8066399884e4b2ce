package fleet

import (
	"math/rand/v2"
	"time"
)

const (
	stableMin   = time.Second // a node that was ready for less than this is not stable
	stableShare = 10          // a node that was ready for less than this many pauses is not stable either
)

// backoff says how long to wait before a node that failed is replaced.
//
// The first replacement starts at once, so that the service is complete soon after one node was killed. After that the
// pause is random, between zero and an upper bound that doubles with each failure in a row (full jitter: nodes that
// failed together do not start together). A node that was ready for one second, and for ten times the pause before it,
// is stable: it ends the row of failures. So a service that crashes now and then is always replaced at once. A service
// that crashes at every start gets to the longest pause. In between, the time spent on starts stays a small share.
type backoff struct{ min, max time.Duration }

// pause returns how long to wait after this many failures in a row.
func (b backoff) pause(failures int) time.Duration {
	return rand.N(b.ceiling(failures) + 1)
}

// stableAfter returns how long a node must be ready to end a row of this many failures.
func (b backoff) stableAfter(failures int) time.Duration {
	return max(stableMin, stableShare*b.ceiling(failures))
}

// ceiling is the longest pause after this many failures in a row.
func (b backoff) ceiling(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	d := b.min
	for i := 2; i < failures && d < b.max; i++ {
		d *= 2
	}
	return min(d, b.max)
}
