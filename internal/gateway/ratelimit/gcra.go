package ratelimit

import (
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// limit is a rate and a burst as the generic cell rate algorithm has them (ITU-T I.371, annex A: virtual scheduling), in
// nanoseconds. A caller's whole state is its theoretical arrival time, TAT: when it will have used nothing again.
type limit struct {
	interval int64 // T: the time that one request uses up
	depth    int64 // burst * T, which is T and the tolerance of I.371 together
}

// deepest keeps sums of times from overflowing: a burst that takes longer than 73 years to come back counts as one of 73
// years.
const deepest = int64(1) << 61

// newLimit rounds T up to whole nanoseconds: the rate is never exceeded, and at most 0.1 % lower than said at 1000000/s.
func newLimit(rate config.Rate, burst int) limit {
	n := int64(rate.Requests)
	l := limit{interval: (int64(rate.Per) + n - 1) / n}
	if l.depth = deepest; int64(burst) < deepest/l.interval {
		l.depth = int64(burst) * l.interval
	}
	return l
}

// decide admits a request at now, and returns the caller's next TAT; or refuses it, and says after which time one would be
// admitted. Time may go backwards: that admits nothing more.
func (l limit) decide(now, tat int64) (next int64, wait time.Duration) {
	next = max(now, tat) + l.interval
	if early := next - l.depth - now; early > 0 {
		return tat, time.Duration(early)
	}
	return next, 0
}
