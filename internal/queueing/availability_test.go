package queueing

import (
	"math"
	"testing"
)

func TestKofN(t *testing.T) {
	for _, c := range []struct {
		k, n int
		want float64
	}{
		{1, 2, 0.9999}, {2, 3, 0.999702}, {3, 4, 0.99940797}, {4, 5, 0.99901985}, {4, 6, 0.99998045}, {8, 9, 0.99656427},
		{8, 10, 0.99988615},
	} {
		near(t, "k of n", KofN(c.k, c.n, 0.99), c.want, 8)
	}
	near(t, "load balancer × 2 of 3 × database", Serial(0.9999, KofN(2, 3, 0.99), 0.9995), 0.99910223, 8)
	near(t, "1000 of 1010", KofN(1000, 1010, 0.99), sumOf(1000, 1010, 0.99), 8)
	if KofN(3, 2, 0.99) != 0 || KofN(2, 2, 1) != 1 || KofN(0, 2, 0.99) != 1 {
		t.Error("3 of 2 nodes must have availability 0, 2 of 2 perfect nodes 1, and 0 of 2 nodes 1")
	}
}

// sumOf computes KofN by its definition, as a sum of probabilities.
func sumOf(k, n int, a float64) float64 {
	p := math.Pow(a, float64(n)) // all n work
	sum := p
	for up := n - 1; up >= k; up-- {
		p *= float64(up+1) / float64(n-up) * (1 - a) / a
		sum += p
	}
	return sum
}

func TestCommonCauseLowersAvailability(t *testing.T) {
	for common, want := range map[float64]float64{0: 0.9999, 0.01: 0.99980, 0.05: 0.99941, 0.10: 0.99892} {
		if got := Redundant(1, 2, 0.99, common); math.Abs(got-want) > 5e-6 {
			t.Errorf("common cause %g: %.6f, want %.5f", common, got, want)
		}
	}
}

func TestSparesGrowWithTheFleet(t *testing.T) {
	for _, c := range []struct {
		k      int
		target float64
		want   int
	}{{1, 0.99, 1}, {2, 0.999, 1}, {8, 0.99, 1}, {8, 0.999, 2}, {8, 0.9999, 3}, {100, 0.9999, 7}} {
		spares, ok := Spares(c.k, 0.99, 0, c.target)
		if !ok || spares != c.want {
			t.Errorf("%d nodes for %g: %d spares, %t, want %d", c.k, c.target, spares, ok, c.want)
		}
		if spares > 1 && Redundant(c.k, c.k+spares-1, 0.99, 0) >= c.target {
			t.Errorf("%d nodes for %g: one spare fewer is enough", c.k, c.target)
		}
	}
	if _, ok := Spares(4, 0.99, 0.05, 0.9999); ok {
		t.Error("no number of spares can reach the target if the common cause alone exceeds it")
	}
}

func TestDowntime(t *testing.T) {
	const minute, hour, day = 60.0, 3600.0, 86400.0
	for _, c := range []struct{ a, year, month, week float64 }{
		{0.99, 3.65 * day, 7.2 * hour, 1.68 * hour},
		{0.995, 1.825 * day, 3.6 * hour, 50.4 * minute},
		{0.999, 8.76 * hour, 43.2 * minute, 10.08 * minute},
		{0.9995, 4.38 * hour, 21.6 * minute, 5.04 * minute},
		{0.9999, 52.56 * minute, 4.32 * minute, 1.008 * minute},
		{0.99995, 26.28 * minute, 2.16 * minute, 30.24},
		{0.99999, 5.256 * minute, 25.92, 6.048},
		{0.999999, 31.536, 2.592, 0.6048},
	} {
		near(t, "year", Downtime(c.a, Year).Seconds(), c.year, 8)
		near(t, "month", Downtime(c.a, Month).Seconds(), c.month, 8)
		near(t, "week", Downtime(c.a, Week).Seconds(), c.week, 8)
	}
}
