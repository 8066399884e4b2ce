package load

import (
	"math"
	"time"
)

// bin is what came in during a short part of the warm-up.
type bin struct {
	done      int64
	p50       time.Duration
	low, high time.Duration // of the median
}

// steadyBins is how many bins in a row have to agree.
const steadyBins = 3

// maxWarmup is when a warm-up ends even if nothing is steady.
const maxWarmup = time.Minute

// binLength is a tenth of the duration, and long enough for some answers.
func binLength(duration time.Duration, rate float64) time.Duration {
	length := duration / 10
	if rate > 0 {
		length = max(length, time.Duration(20/rate*float64(time.Second)))
	}
	return min(max(length, 100*time.Millisecond), 5*time.Second)
}

// steady says whether the target is warm: the last bins agree on rate and median to 5 %, or to what chance explains.
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
	if a.done == 0 || b.done == 0 {
		return false
	}
	n, m := float64(a.done), float64(b.done)
	if math.Abs(n-m) > 0.05*max(n, m)+3*math.Sqrt(n+m) {
		return false
	}
	near := math.Abs(float64(a.p50-b.p50)) <= 0.05*float64(max(a.p50, b.p50))
	return near || a.low <= b.high && b.low <= a.high
}
