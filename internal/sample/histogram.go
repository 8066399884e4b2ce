package sample

import (
	"math/bits"
	"time"
)

// Histogram is a distribution of durations. Its buckets are at most 1/16 wide compared with their durations, so that a
// quantile is exact within 6 %. A Histogram is immutable.
type Histogram []Bucket // only buckets with a count, in ascending order

// Bucket is the number of durations in one range.
type Bucket struct {
	Index int    // see [BucketOf]
	Count uint64 // above 0
}

// Buckets is the number of different values that [BucketOf] returns.
const Buckets = 384

// precision is the number of buckets per power of two.
const precision = 16

// BucketOf returns the index of the bucket that d belongs to: from 0 to Buckets-1. Durations below 32 µs have buckets
// of 1 µs. All durations above 134 s share the last bucket.
func BucketOf(d time.Duration) int {
	us := uint64(max(0, d) / time.Microsecond)
	shift := max(0, bits.Len64(us)-5) // us>>shift is below 2*precision
	return min(shift*precision+int(us>>shift), Buckets-1)
}

// bounds returns the range of bucket i: from low up to but not including high.
func bounds(i int) (low, high time.Duration) {
	shift := max(0, i/precision-1)
	us := time.Duration(i-shift*precision) << shift
	return us * time.Microsecond, (us + 1<<shift) * time.Microsecond
}

// NewHistogram returns the histogram of counts, where counts[i] is the number of durations in bucket i.
func NewHistogram(counts *[Buckets]uint64) Histogram {
	used := 0
	for _, n := range counts {
		if n > 0 {
			used++
		}
	}
	h := make(Histogram, 0, used)
	for i, n := range counts {
		if n > 0 {
			h = append(h, Bucket{Index: i, Count: n})
		}
	}
	return h
}

// Count returns the number of durations.
func (h Histogram) Count() (n uint64) {
	for _, b := range h {
		n += b.Count
	}
	return n
}

// Quantile returns an estimate of the duration that the share q of all durations does not exceed, for example 0.99 for
// the 99th percentile. It returns false when the histogram is empty. A caller that decides by a quantile should compare
// Count with 1/(1-q) first: the 99th percentile of ten durations is their maximum.
func (h Histogram) Quantile(q float64) (time.Duration, bool) {
	total := h.Count()
	if total == 0 {
		return 0, false
	}
	rank := min(max(q, 0), 1) * float64(total)
	below := 0.0
	for _, b := range h {
		n := float64(b.Count)
		if below+n >= rank {
			low, high := bounds(b.Index)
			return low + time.Duration((rank-below)/n*float64(high-low)), true
		}
		below += n
	}
	_, high := bounds(h[len(h)-1].Index)
	return high, true
}
