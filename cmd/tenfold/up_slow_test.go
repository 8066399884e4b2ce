package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// One node of four answers ten times slower than the others. p2c weighs two random nodes by response time and avoids
// it. With round-robin, every fourth request waits for it.
//
// The three fleets run at the same time, so that other load of the machine affects all of them. When the machine is so
// busy that its load decides p99, the test passes when less than one request of a hundred met the slow node.
func TestUpSlowNodeIsAvoided(t *testing.T) {
	for try := 1; ; try++ {
		healthy, p2c, roundRobin := threeFleets(t)
		base := summarize(healthy).p99
		ratio := float64(summarize(p2c).p99) / float64(base)
		figure(t, "slow-node-none", summarize(healthy).pairs("balance", "p2c")...)
		figure(t, "slow-node-p2c", summarize(p2c).pairs("balance", "p2c", "p99_ratio", ratio, "met_it", slowShare(p2c))...)
		figure(t, "slow-node-round-robin", summarize(roundRobin).pairs("balance", "round-robin",
			"p99_ratio", float64(summarize(roundRobin).p99)/float64(base), "met_it", slowShare(roundRobin))...)
		if ratio <= 1.5 || slowShare(p2c) < 0.01 || t.Failed() {
			return
		}
		if try == 3 {
			t.Errorf("three times the p99 with a slow node was more than 1.5 times the p99 without one: now %v and %v", summarize(p2c).p99, base)
			return
		}
	}
}

const slowNode = "service-3"

// slowShare is the share of the requests that the slow node has answered.
func slowShare(answers []answer) float64 {
	n := 0
	for _, a := range answers {
		if a.header.Get("Node") == slowNode {
			n++
		}
	}
	return float64(n) / float64(len(answers))
}

// threeFleets measures four healthy nodes, and four with a slow one under each of two pickers.
func threeFleets(t *testing.T) (healthy, p2c, roundRobin []answer) {
	t.Helper()
	fleet := func(balance, slow string) *running {
		return upQuietly(t, fmt.Sprintf(`
services:
  service: {run: [service], nodes: 4, balance: %s, env: {SERVICE_SLOW: %s}}
`, balance, slow), "-f", "-")
	}
	fleets := []*running{fleet("p2c", "none"), fleet("p2c", slowNode), fleet("round-robin", slowNode)}
	var loads []*traffic
	for _, x := range fleets {
		loads = append(loads, offer(x, 100, func(int) *http.Request { return request("GET", "/small?ms=50") }))
	}
	for i, x := range fleets {
		x.await("1500 answers are there", func() bool { return loads[i].soFar() > 1500 })
	}
	var all [3][]answer
	var ends sync.WaitGroup
	for i, l := range loads {
		ends.Go(func() { all[i] = l.end() })
	}
	ends.Wait()
	for i, x := range fleets {
		noneFailed(t, all[i])
		all[i] = withoutWarmup(all[i], loads[i].begun)
		x.stop()
	}
	return all[0], all[1], all[2]
}

// withoutWarmup removes the first seconds, in which the gateway has not measured the nodes yet.
func withoutWarmup(answers []answer, begun time.Time) (rest []answer) {
	for _, a := range answers {
		if a.due.Sub(begun) > 3*time.Second {
			rest = append(rest, a)
		}
	}
	return rest
}
