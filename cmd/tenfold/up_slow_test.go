package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// One node of four answers ten times slower than the others. Two random choices, weighed by response time, keep away from
// it; taking turns makes every fourth visitor wait.
//
// The three fleets run at the same time, so that what else the machine does hits all of them.
func TestUpSlowNodeIsAvoided(t *testing.T) {
	const most = 1.5
	for try := 1; ; try++ {
		healthy, p2c, robin := threeFleets(t)
		ratio := float64(p2c.p99) / float64(healthy.p99)
		figure(t, "slow-node-none", healthy.pairs("balance", "p2c")...)
		figure(t, "slow-node-p2c", p2c.pairs("balance", "p2c", "p99_ratio", ratio)...)
		figure(t, "slow-node-round-robin", robin.pairs("balance", "round-robin", "p99_ratio", float64(robin.p99)/float64(healthy.p99))...)
		if ratio <= most || t.Failed() {
			return
		}
		if try == 3 {
			t.Errorf("p99 is %v with a slow node and %v without, three times", p2c.p99, healthy.p99)
			return
		}
	}
}

// threeFleets measures four healthy nodes, and four with a slow one under each of two pickers.
func threeFleets(t *testing.T) (healthy, p2c, robin summary) {
	t.Helper()
	fleet := func(balance, slow string) *running {
		return upQuietly(t, fmt.Sprintf(`
services:
  service: {run: [service], nodes: 4, balance: %s, env: {SERVICE_SLOW: %s}}
`, balance, slow), "-f", "-")
	}
	fleets := []*running{fleet("p2c", "none"), fleet("p2c", "service-3"), fleet("round-robin", "service-3")}
	var loads []*traffic
	for _, x := range fleets {
		loads = append(loads, offer(x, 100, func(int) *http.Request { return request("GET", "/small?ms=50") }))
	}
	for i, x := range fleets {
		x.await("1500 answers are there", func() bool { return loads[i].soFar() > 1500 })
	}
	var sums [3]summary
	var ends sync.WaitGroup
	for i, l := range loads {
		ends.Go(func() { sums[i] = summarize(settled(l.end())) })
	}
	ends.Wait()
	for i, l := range loads {
		noneFailed(t, l.answers)
		fleets[i].stop()
	}
	return sums[0], sums[1], sums[2]
}

// settled leaves out the first seconds, in which nobody knows yet who is slow.
func settled(answers []answer) (rest []answer) {
	from := answers[0].due.Add(3 * time.Second)
	for _, a := range answers {
		if a.due.After(from) {
			rest = append(rest, a)
		}
	}
	return rest
}
