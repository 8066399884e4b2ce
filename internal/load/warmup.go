package load

import (
	"math"
	"time"
)

// bin is the results of a short part of the warm-up.
type bin struct {
	requests  int64
	p50       time.Duration
	low, high time.Duration // confidence interval of the median
}

const (
	steadyBins = 3           // consecutive bins that must agree
	maxWarmup  = time.Minute // longest warm-up, even if the results are not steady
)

// binLength returns a tenth of the duration, or as long as it takes to get some responses.
func binLength(duration time.Duration, rate float64) time.Duration {
	length := duration / 10
	if rate > 0 {
		length = max(length, time.Duration(20/rate*float64(time.Second)))
	}
	return min(max(length, 100*time.Millisecond), 5*time.Second)
}

// steady reports whether the target is warm: the rates and medians of the last bins agree to 5 %, or differ only by
// chance.
func steady(bins []bin) bool {
	if len(bins) < steadyBins {
		return false
	}
	last := bins[len(bins)-steadyBins:]
	for i, a := range last {
		for _, b := range last[:i] {
			if !agree(a, b) {
				return false
			}
		}
	}
	return true
}

func agree(a, b bin) bool {
	if a.requests == 0 || b.requests == 0 {
		return false
	}
	n, m := float64(a.requests), float64(b.requests)
	if math.Abs(n-m) > 0.05*max(n, m)+3*math.Sqrt(n+m) {
		return false
	}
	near := math.Abs(float64(a.p50-b.p50)) <= 0.05*float64(max(a.p50, b.p50))
	return near || a.low <= b.high && b.low <= a.high
}
