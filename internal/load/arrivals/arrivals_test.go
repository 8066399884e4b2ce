package arrivals

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func timesOf(s *Schedule) (times []time.Duration) {
	for {
		at, ok := s.Next()
		if !ok {
			return times
		}
		times = append(times, at)
	}
}

func TestEvenArrivals(t *testing.T) {
	got := fmt.Sprint(timesOf(New(Even, 4, time.Second, 1)))
	if want := "[0s 250ms 500ms 750ms]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The distances of Poisson arrivals are exponential: mean 1/rate, and the same standard deviation.
func TestPoissonArrivals(t *testing.T) {
	const rate, n = 1000.0, 100_000
	times := timesOf(New(Poisson, rate, n/rate*time.Second, 7))
	if len(times) != n {
		t.Fatalf("%d arrivals, want %d", len(times), n)
	}
	var sum, squares float64
	short := 0
	for i, at := range times[1:] {
		d := (at - times[i]).Seconds()
		if d < 0 {
			t.Fatalf("arrival %d is before arrival %d", i+1, i)
		}
		sum += d
		squares += d * d
		if d < math.Ln2/rate {
			short++
		}
	}
	mean := sum / (n - 1)
	deviation := math.Sqrt(squares/(n-1) - mean*mean)
	near(t, "mean distance", mean, 1/rate, 0.001)
	near(t, "deviation", deviation, 1/rate, 0.02)
	near(t, "share below the median", float64(short)/n, 0.5, 0.02)
}

// near fails the test if got differs from want by more than a share of want.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if got < want*(1-tolerance) || got > want*(1+tolerance) {
		t.Errorf("%s: got %.4g, want %.4g within %.1f%%", what, got, want, 100*tolerance)
	}
}

func TestScheduleDependsOnlyOnItsArguments(t *testing.T) {
	one := fmt.Sprint(timesOf(New(Poisson, 50, 10*time.Second, 3)))
	if two := fmt.Sprint(timesOf(New(Poisson, 50, 10*time.Second, 3))); one != two {
		t.Error("equal seeds give different schedules")
	}
	if other := fmt.Sprint(timesOf(New(Poisson, 50, 10*time.Second, 4))); one == other {
		t.Error("different seeds give equal schedules")
	}
}

func BenchmarkSchedule(b *testing.B) {
	s := New(Poisson, 1e6, time.Duration(b.N)*time.Microsecond, 1)
	b.ReportAllocs()
	for range b.N {
		s.Next()
	}
}
