package load

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func arrivalsOf(s *Schedule) (all []time.Duration) {
	for {
		at, ok := s.Next()
		if !ok {
			return all
		}
		all = append(all, at)
	}
}

func TestEvenArrivals(t *testing.T) {
	got := fmt.Sprint(arrivalsOf(NewSchedule(Even, 4, time.Second, 1)))
	if want := "[0s 250ms 500ms 750ms]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Poisson arrivals: as many as were asked for, in order, with exponential distances (mean 1/rate, and as much deviation).
func TestPoissonArrivals(t *testing.T) {
	const rate, n = 1000.0, 100_000
	all := arrivalsOf(NewSchedule(Poisson, rate, n/rate*time.Second, 7))
	if len(all) != n {
		t.Fatalf("%d arrivals, want %d", len(all), n)
	}
	var sum, squares float64
	short := 0
	for i, at := range all[1:] {
		d := (at - all[i]).Seconds()
		if d < 0 {
			t.Fatalf("arrival %d comes before the one before it", i+1)
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

func TestSchedulesDependOnNothingElse(t *testing.T) {
	one := fmt.Sprint(arrivalsOf(NewSchedule(Poisson, 50, 10*time.Second, 3)))
	if two := fmt.Sprint(arrivalsOf(NewSchedule(Poisson, 50, 10*time.Second, 3))); one != two {
		t.Error("equal seeds make different schedules")
	}
	if other := fmt.Sprint(arrivalsOf(NewSchedule(Poisson, 50, 10*time.Second, 4))); one == other {
		t.Error("different seeds make equal schedules")
	}
}

func BenchmarkSchedule(b *testing.B) {
	s := NewSchedule(Poisson, 1e6, time.Duration(b.N)*time.Microsecond, 1)
	b.ReportAllocs()
	for range b.N {
		s.Next()
	}
}
