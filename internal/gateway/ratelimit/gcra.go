package ratelimit

import (
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// limit is a rate and a burst in the terms of the generic cell rate algorithm (ITU-T I.371, annex A: virtual
// scheduling), in nanoseconds. The state of a caller is one number, the theoretical arrival time (TAT): when the caller
// will have its full burst again.
type limit struct {
	interval int64 // T of I.371: the time that one request uses up
	depth    int64 // burst * T, the sum of T and the tolerance of I.371
}

// maxDepth prevents overflows in sums of times. A burst that takes longer than 73 years to return is cut to 73 years.
const maxDepth = int64(1) << 61

// newLimit rounds T up to whole nanoseconds. So the rate is never exceeded; at 1000000/s it is at most 0.1 % lower.
func newLimit(rate config.Rate, burst int) limit {
	n := int64(rate.Requests)
	l := limit{interval: (int64(rate.Per) + n - 1) / n}
	if l.depth = maxDepth; int64(burst) < maxDepth/l.interval {
		l.depth = int64(burst) * l.interval
	}
	return l
}

// decide admits a request at time now and returns the next TAT. If it refuses the request, it returns the same TAT, and
// the time after which a request would be admitted. A clock that goes back admits no additional requests.
func (l limit) decide(now, tat int64) (next int64, wait time.Duration) {
	next = max(now, tat) + l.interval
	if early := next - l.depth - now; early > 0 {
		return tat, time.Duration(early)
	}
	return next, 0
}
