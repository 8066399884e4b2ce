package load

import (
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// histogram keeps durations from a microsecond to an hour to three digits, in about 190 KiB however many they are. Longer
// ones count as an hour. The zero value is empty and takes memory with the first value.
type histogram struct {
	h      *hdr.Histogram
	coarse bool // to two digits, in an eighth of the memory
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
	h.h.RecordValue(int64(min(max(d, 0), time.Hour))) // cannot fail within its bounds
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

// quantile returns the value that a share q of all values does not exceed; 0 when there is none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(q * 100))
}

// interval is where the quantile lies with 95 % confidence, whatever the distribution: the rank of the true quantile is
// binomial. Where there are too few values to bound it, the largest one does.
func (h *histogram) interval(q float64) (low, high time.Duration) {
	n := float64(h.count())
	if n == 0 {
		return 0, 0
	}
	away := 1.96 * math.Sqrt(n*q*(1-q))
	return h.quantile(max(0, (n*q-away)/n)), h.quantile(min(1, (n*q+away+1)/n))
}

// logShare is where v lies between low and high on a logarithmic scale, 0 to 1.
func logShare(v, low, high float64) float64 {
	if high <= low {
		return 1
	}
	return math.Log(v/low) / math.Log(high/low)
}
