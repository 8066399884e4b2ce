package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// Latency is a node's response time as a peak-sensitive moving average: a slower answer counts at once, a faster one
// only by and by (as in Finagle's PeakEwma). It also fades while nothing is measured, so that a node that was slow once
// is tried again instead of being avoided for ever.
//
// The zero value knows nothing. It is safe for concurrent use; of two answers in the same instant one may be lost, which
// an average can bear.
type Latency struct {
	value atomic.Uint64 // float64 bits, nanoseconds at stamp
	stamp atomic.Int64  // instant of the last observation
}

// fadeTime is the time in which an old value loses two thirds of its say.
const fadeTime = 10 * time.Second

// Observe adds an answer that took d, at the instant now.
func (l *Latency) Observe(now, d time.Duration) {
	sample := float64(d)
	old := math.Float64frombits(l.value.Load())
	if old > sample {
		keep := fade(now - time.Duration(l.stamp.Load()))
		sample += (old - sample) * keep
	}
	l.stamp.Store(int64(now))
	l.value.Store(math.Float64bits(sample))
}

// At returns the average at the instant now; 0 when nothing was ever observed.
func (l *Latency) At(now time.Duration) time.Duration {
	v := math.Float64frombits(l.value.Load())
	if v == 0 {
		return 0
	}
	return max(1, time.Duration(v*fade(now-time.Duration(l.stamp.Load()))))
}

func fade(elapsed time.Duration) float64 {
	if elapsed < fadeTime/1000 { // the exponential's first term is exact enough, and far cheaper
		return 1 - float64(max(0, elapsed))/float64(fadeTime)
	}
	return math.Exp(-float64(elapsed) / float64(fadeTime))
}
