package balance

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestP2CAvoidsASlowNodeInSimulation simulates ten minutes of four nodes, one of them ten times slower. The response
// times vary a little all the time, and sometimes a lot, as those of real programs do. The p99 of all requests stays
// that of the fast nodes if less than one request in a hundred goes to the slow node. Round-robin sends it every
// fourth one.
func TestP2CAvoidsASlowNodeInSimulation(t *testing.T) {
	for _, peaks := range []float64{0, 0.02, 0.1} {
		slow := shareOfSlowNode(peaks)
		t.Logf("figure: p2c-slow-node peaks=%.0f%% requests_on_slow_node=%.2f%%", 100*peaks, 100*slow)
		if slow > 0.01 {
			t.Errorf("with %.0f %% of all responses slower than usual, %.2f %% of the requests went to the slow node", 100*peaks, 100*slow)
		}
	}
}

func shareOfSlowNode(peaks float64) float64 {
	const (
		rate     = 100.0 // requests per second
		usual    = 50 * time.Millisecond
		requests = 60_000
	)
	var nodes []Node
	var all []*simulatedNode
	for range 4 {
		n := &simulatedNode{fakeNode: fakeNode{share: 1, weight: 1}}
		all = append(all, n)
		nodes = append(nodes, n)
	}
	p := P2C(nodes)
	var running finishing
	now := time.Duration(0)
	slow := 0
	for range requests {
		now += time.Duration(rand.ExpFloat64() / rate * float64(time.Second))
		for len(running) > 0 && running[0].at <= now {
			f := heap.Pop(&running).(finish)
			f.node.inFlight.Add(-1)
			f.node.measured.Observe(f.at, f.took)
		}
		n := all[p.Pick(Request{Now: now})]
		n.inFlight.Add(1)
		took := float64(usual) * math.Exp(0.2*rand.NormFloat64())
		if rand.Float64() < peaks {
			took += float64(usual) * (1 + 2*rand.ExpFloat64())
		}
		if n == all[2] {
			took *= 10
			slow++
		}
		heap.Push(&running, finish{now + time.Duration(took), time.Duration(took), n})
	}
	return float64(slow) / requests
}

type simulatedNode struct {
	fakeNode
	measured Latency
}

func (n *simulatedNode) Latency(now time.Duration) time.Duration { return n.measured.At(now) }

type finish struct {
	at, took time.Duration
	node     *simulatedNode
}

// finishing is a heap of requests by the instant at which they end.
type finishing []finish

func (f finishing) Len() int           { return len(f) }
func (f finishing) Less(i, j int) bool { return f[i].at < f[j].at }
func (f finishing) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *finishing) Push(x any)        { *f = append(*f, x.(finish)) }
func (f *finishing) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}
