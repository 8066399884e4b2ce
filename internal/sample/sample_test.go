package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverAllDurations(t *testing.T) {
	if low, _ := bounds(0); low != 0 {
		t.Errorf("the first bucket starts at %v, want 0", low)
	}
	for i := range Buckets - 1 {
		low, high := bounds(i)
		if next, _ := bounds(i + 1); next != high {
			t.Fatalf("bucket %d ends at %v, but the next one starts at %v", i, high, next)
		}
		if got := BucketOf(low); got != i {
			t.Fatalf("BucketOf(%v) = %d, want %d", low, got, i)
		}
		if got := BucketOf(high - 1); got != i {
			t.Fatalf("BucketOf(%v) = %d, want %d", high-1, got, i)
		}
		if width := high - low; width > time.Microsecond && float64(width) > float64(low)/precision {
			t.Fatalf("bucket %d from %v is %v wide, more than 1/%d", i, low, width, precision)
		}
	}
	for d, want := range map[time.Duration]int{-1: 0, 24 * time.Hour: Buckets - 1, math.MaxInt64: Buckets - 1} {
		if got := BucketOf(d); got != want {
			t.Errorf("BucketOf(%v) = %d, want %d", d, got, want)
		}
	}
}

func TestQuantileIsWithinSixPercent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var counts [Buckets]uint64
	durations := make([]time.Duration, 10_000)
	for i := range durations {
		durations[i] = time.Duration(float64(20*time.Millisecond) * math.Exp(rnd.NormFloat64()))
		counts[BucketOf(durations[i])]++
	}
	slices.Sort(durations)
	h := NewHistogram(&counts)
	if h.Count() != 10_000 {
		t.Errorf("count %d, want 10000", h.Count())
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		exact := durations[int(q*10_000)-1]
		got, ok := h.Quantile(q)
		if off := float64(got-exact) / float64(exact); !ok || math.Abs(off) > 0.06 {
			t.Errorf("quantile %v: %v, exact %v", q, got, exact)
		}
	}
	if got, ok := Histogram(nil).Quantile(0.5); got != 0 || ok {
		t.Errorf("empty histogram: %v %v, want no quantile", got, ok)
	}
}

// at returns the sample of the interval that ends at second n.
func at(n int, s Sample) Sample {
	s.Time, s.Interval = time.Unix(int64(n), 0), time.Second
	return s
}

func TestWindowKeepsTheNewestSamples(t *testing.T) {
	w := NewWindow(3)
	if _, ok := w.Last(); ok || w.Len() != 0 {
		t.Error("a new window has a sample")
	}
	for n := 1; n <= 5; n++ {
		w.Add(at(n, Sample{InFlight: n, Nodes: []Node{{ID: "shop-1", Eligible: true}, {ID: "shop-2"}}}))
		if last, ok := w.Last(); !ok || last.InFlight != n || len(last.Nodes) != 2 || last.Eligible() != 1 {
			t.Errorf("after sample %d: last %+v", n, last)
		}
	}
	var got []int
	for s := range w.All() {
		got = append(got, s.InFlight)
		if s.InFlight < 5 && s.Nodes != nil {
			t.Errorf("sample %d still has its nodes", s.InFlight)
		}
	}
	if !slices.Equal(got, []int{3, 4, 5}) || w.Len() != 3 {
		t.Errorf("samples %v, want 3, 4, 5", got)
	}
}

func TestAggregateOfASpan(t *testing.T) {
	w := NewWindow(100)
	for n := 1; n <= 60; n++ {
		s := Sample{InFlight: n, Counts: Counts{Offered: 10, Accepted: 9, Rejected: 1, Completed: 7, Failed: 1, Canceled: 1}}
		s.Latency = Histogram{{Index: BucketOf(time.Duration(n) * time.Millisecond), Count: 7}}
		if n == 58 {
			s.Queued = 3
		}
		w.Add(at(n, s))
	}
	a := w.Aggregate(time.Unix(59, 0), 3*time.Second) // the samples that end at 57, 58 and 59
	if a.Samples != 3 || a.Covered != 3*time.Second {
		t.Errorf("%d samples over %v, want 3 over 3s", a.Samples, a.Covered)
	}
	if want := (Counts{Offered: 30, Accepted: 27, Rejected: 3, Completed: 21, Failed: 3, Canceled: 3}); a.Counts != want {
		t.Errorf("counts %+v, want %+v", a.Counts, want)
	}
	if want := (Level{Mean: 58, Max: 59, Last: 59}); a.InFlight != want {
		t.Errorf("in flight %+v, want %+v", a.InFlight, want)
	}
	if want := (Level{Mean: 1, Max: 3, Last: 0}); a.Queued != want {
		t.Errorf("queued %+v, want %+v", a.Queued, want)
	}
	if rate := a.Rate(a.Offered); rate != 10 {
		t.Errorf("rate %v, want 10", rate)
	}
	median, ok := a.Latency.Quantile(0.5)
	if !ok || median < 55*time.Millisecond || median > 61*time.Millisecond || a.Latency.Count() != 21 {
		t.Errorf("median %v of %d, want about 58ms of 21", median, a.Latency.Count())
	}
}

func TestAggregateWithoutSamples(t *testing.T) {
	a := NewWindow(1).Aggregate(time.Unix(0, 0), time.Minute)
	if a.Samples != 0 || a.Rate(1) != 0 || a.Latency.Count() != 0 {
		t.Errorf("%+v", a)
	}
}
