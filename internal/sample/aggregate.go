package sample

import "time"

// Aggregate summarizes the samples of a span of time.
type Aggregate struct {
	Samples          int           // how many samples there are
	Covered          time.Duration // the sum of their intervals; much less than the span means that samples are missing
	Counts                         // sums
	InFlight, Queued Level
	Latency          Histogram // of all samples
}

// Level summarizes a number that was read once per sample.
type Level struct {
	Mean float64 // weighted by the samples' intervals
	Max  int
	Last int // of the newest sample
}

// Rate returns a count of the aggregate as a number per second, for example a.Rate(a.Offered). It returns 0 when the
// aggregate has no samples.
func (a Aggregate) Rate(count uint64) float64 {
	if a.Covered <= 0 {
		return 0
	}
	return float64(count) / a.Covered.Seconds()
}

// aggregator collects samples, oldest first.
type aggregator struct {
	sum     Aggregate
	latency [Buckets]uint64
}

func (a *aggregator) add(s *Sample) {
	a.sum.Samples++
	a.sum.Covered += s.Interval
	a.sum.Counts = a.sum.Counts.Add(s.Counts)
	a.sum.InFlight.add(s.InFlight, s.Interval)
	a.sum.Queued.add(s.Queued, s.Interval)
	for _, b := range s.Latency {
		a.latency[min(max(b.Index, 0), Buckets-1)] += b.Count
	}
}

func (l *Level) add(value int, weight time.Duration) {
	l.Mean += float64(value) * weight.Seconds() // result divides it
	l.Max = max(l.Max, value)
	l.Last = value
}

func (a *aggregator) result() Aggregate {
	if seconds := a.sum.Covered.Seconds(); seconds > 0 {
		a.sum.InFlight.Mean /= seconds
		a.sum.Queued.Mean /= seconds
	}
	a.sum.Latency = NewHistogram(&a.latency)
	return a.sum
}
