package load

import (
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// histogram counts durations from a microsecond to an hour with three significant digits, in about 190 KiB for any
// number of values. Longer durations count as an hour. The zero value is empty and allocates memory with the first
// value.
type histogram struct {
	h      *hdr.Histogram
	coarse bool // two digits, in an eighth of the memory
}

func (h *histogram) make() {
	digits := 3
	if h.coarse {
		digits = 2
	}
	h.h = hdr.New(int64(time.Microsecond), int64(time.Hour), digits)
}

func (h *histogram) record(d time.Duration) {
	if h.h == nil {
		h.make()
	}
	h.h.RecordValue(int64(min(max(d, 0), time.Hour))) // never fails for a value within the bounds
}

func (h *histogram) merge(other histogram) {
	if other.h == nil {
		return
	}
	if h.h == nil {
		h.make()
	}
	h.h.Merge(other.h)
}

func (h *histogram) reset() {
	if h.h != nil {
		h.h.Reset()
	}
}

func (h *histogram) count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

func (h *histogram) max() time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.Max())
}

// quantile returns the value that a share q of all values does not exceed, or 0 if there are no values.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(q * 100))
}

// interval returns the 95 % confidence interval of a quantile. It needs no assumption about the distribution, because
// the rank of the true quantile is binomial. If there are too few values for an upper end, it returns the largest
// value.
func (h *histogram) interval(q float64) (low, high time.Duration) {
	n := float64(h.count())
	if n == 0 {
		return 0, 0
	}
	distance := 1.96 * math.Sqrt(n*q*(1-q))
	return h.quantile(max(0, (n*q-distance)/n)), h.quantile(min(1, (n*q+distance+1)/n))
}
