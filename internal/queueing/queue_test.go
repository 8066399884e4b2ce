package queueing

import "testing"

func TestErlangC(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64
		want    float64
	}{{1, 0.5, 0.5}, {2, 1.5, 0.642857}, {3, 2, 0.444444}, {10, 8, 0.409180}, {100, 90, 0.216941}} {
		near(t, "C", Queue{Servers: c.servers}.ErlangC(c.load), c.want, 5)
	}
}

func TestKingman(t *testing.T) {
	for utilisation, want := range map[float64]float64{0.5: 1, 0.7: 2.33, 0.8: 4, 0.9: 9} {
		near(t, "wait", Kingman(utilisation, 1, 1), want, 3)
	}
	near(t, "M/M/1", Queue{Servers: 1}.MeanWait(0.8), Kingman(0.8, 1, 1), 12)
	near(t, "bursts", Queue{Servers: 1, Burstiness: 173}.MeanWait(0.8), Kingman(0.8, 173, 1), 12)
}

// The highest utilisation rises with the number of servers. A fixed 70 % is too high for few servers and too low for many.
func TestMaxUtilisationRisesWithTheServers(t *testing.T) {
	for _, c := range []struct {
		servers  int
		p99, avg float64
	}{{1, 0.03, 0.17}, {2, 0.18, 0.41}, {4, 0.42, 0.62}, {8, 0.64, 0.76}, {16, 0.79, 0.86}, {32, 0.89, 0.92}, {64, 0.94, 0.95}} {
		q := Queue{Servers: c.servers}
		if got := q.MaxUtilisation(0.99, 1); got < c.p99-0.006 || got > c.p99+0.006 {
			t.Errorf("%d servers: p99 wait within one service time up to %.3f, want %.2f", c.servers, got, c.p99)
		}
		mean := q.HighestUtilisation(func(u float64) bool { return q.MeanWait(u) <= 0.2 })
		if mean < c.avg-0.006 || mean > c.avg+0.006 {
			t.Errorf("%d servers: mean wait within 0.2 service times up to %.3f, want %.2f", c.servers, mean, c.avg)
		}
	}
	if bursty := (Queue{Servers: 32, Burstiness: 173}).MaxUtilisation(0.99, 1); bursty > 0.7 {
		t.Errorf("with bursts, %.2f of 32 cores may be busy, want less than without", bursty)
	}
}
