package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// Latency is a node's response time as a moving average that follows slower answers within a second and faster ones by and
// by: a node that has become slow is found out before much is sent to it, and one slow answer of a fast node, such as any
// program has now and then, does not make it a slow one. (Finagle's PeakEwma takes every peak at its word. In
// simulation, with one answer of fifty three times slower than usual, a node that is always ten times slower then still
// gets 2 % of the requests; like this it gets 0.3 %.) It also fades while nothing is measured, so that a node that was
// slow once is tried again instead of being avoided for ever. The first answers of a node do not count: a program that has
// just started loads and compiles what it needs for them, and who judges it by that never sends it the next request.
//
// The zero value knows nothing. It is safe for concurrent use; of two answers in the same instant one may be lost, which
// an average can bear.
type Latency struct {
	value atomic.Uint64 // float64 bits, nanoseconds at stamp
	stamp atomic.Int64  // instant of the last observation
	first atomic.Int32  // answers that did not count, up to coldAnswers
}

const coldAnswers = 3

const (
	fadeTime = 10 * time.Second // in which an old value loses two thirds of its say against faster answers, and none at all
	riseTime = time.Second      // the same against slower ones
)

// Observe adds an answer that took d, at the instant now.
func (l *Latency) Observe(now, d time.Duration) {
	if l.first.Load() < coldAnswers && l.first.Add(1) <= coldAnswers {
		return
	}
	sample := float64(d)
	if old := math.Float64frombits(l.value.Load()); old > 0 {
		span := riseTime
		if old > sample {
			span = fadeTime
		}
		sample += (old - sample) * fade(now-time.Duration(l.stamp.Load()), span)
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
	return max(1, time.Duration(v*fade(now-time.Duration(l.stamp.Load()), fadeTime)))
}

// fade is what is left of something after a while when it loses two thirds in each span.
func fade(elapsed, span time.Duration) float64 {
	if elapsed < span/1000 { // the exponential's first term is exact enough, and far cheaper
		return 1 - float64(max(0, elapsed))/float64(span)
	}
	return math.Exp(-float64(elapsed) / float64(span))
}
