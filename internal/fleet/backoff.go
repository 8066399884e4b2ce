package fleet

import (
	"math/rand/v2"
	"time"
)

const (
	startTries  = 3           // failed starts in a row after which a service that was never ready is given up
	crashLoopAt = 5           // failures in a row that are called a crash loop
	steadyMin   = time.Second // a node that was ready for less than this did not work
	steadyShare = 10          // and one that was ready for less than this many pauses did not work either
)

// backoff is how long to wait before a node that ended is replaced.
//
// The first replacement comes at once: it is what keeps the fleet whole when one node is killed. From then on the pause
// is random between nothing and a ceiling that doubles with each failure in a row (full jitter, so that nodes which
// fell together do not rise together). A node that was ready for a second, and for ten times the pause that came before
// it, ends the row: a service that crashes once in a while is replaced at once for ever, one that dies on every start
// ends up at Max, and in between the time spent starting stays a small share.
type backoff struct{ min, max time.Duration }

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

// pause is how long to wait after this many failures in a row.
func (b backoff) pause(failures int) time.Duration {
	return rand.N(b.ceiling(failures) + 1)
}

// steady is how long a node must be ready to end a row of this many failures.
func (b backoff) steady(failures int) time.Duration {
	return max(steadyMin, steadyShare*b.ceiling(failures))
}
