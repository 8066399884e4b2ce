package balance

import (
	"math/rand/v2"
	"sync"
)

// Weighted picks the nodes in proportion to their weights, and spreads the picks of each node evenly over time.
//
// It is earliest-deadline-first scheduling: a node is due again 1/weight after its last pick. nginx's smooth weighted
// round-robin has the same result, but looks at every node for every pick. This costs O(log n).
func Weighted(nodes []Node) Picker {
	p := &weighted{nodes: nodes}
	p.heap = make([]deadline, len(nodes))
	for i, n := range nodes {
		// With a random phase, many gateways do not all start with the same node, nor does one whose nodes change often.
		p.heap[i] = deadline{at: rand.Float64() / n.Weight(), node: i}
	}
	for i := len(p.heap)/2 - 1; i >= 0; i-- {
		p.siftDown(i)
	}
	return p
}

// deadline is the virtual time at which a node is due.
type deadline struct {
	at   float64
	node int
}

type weighted struct {
	nodes []Node

	mu      sync.Mutex
	heap    []deadline // min-heap by at
	removed []deadline // scratch of Pick
}

func (p *weighted) Pick(r Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = p.removed[:0]
	picked, now := -1, 0.0
	for len(p.heap) > 0 {
		first := p.heap[0]
		if !skipped(r, first.node) {
			n := p.nodes[first.node]
			picked, now = first.node, first.at
			p.heap[0].at += 1 / (n.Weight() * n.Share(r.Now))
			p.siftDown(0)
			break
		}
		p.removed = append(p.removed, first)
		last := len(p.heap) - 1
		p.heap[0] = p.heap[last]
		p.heap = p.heap[:last]
		p.siftDown(0)
	}
	for _, d := range p.removed {
		d.at = max(d.at, now) // the node is due next, but does not get the picks that it has missed
		p.heap = append(p.heap, d)
		p.siftUp(len(p.heap) - 1)
	}
	return picked
}

func (p *weighted) Released(int) {}

func (p *weighted) siftDown(i int) {
	h := p.heap
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func (p *weighted) siftUp(i int) {
	h := p.heap
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}
