package balance

import (
	"math/rand/v2"
	"sync"
)

// Weighted takes the nodes in proportion to their weights, evenly spread: weights 5, 1, 1 never give five in a row.
//
// It is earliest-deadline-first scheduling: a node's next turn comes 1/weight after its last. nginx's smooth weighted
// round-robin gives the same sequence shape but looks at every node for every pick; this costs O(log n).
func Weighted(nodes []Node) Picker {
	p := &weighted{nodes: nodes}
	p.turns = make([]turn, len(nodes))
	for i, n := range nodes {
		// A random phase keeps many gateways, or one that is rebuilt often, from all starting on the same node.
		p.turns[i] = turn{at: rand.Float64() / n.Weight(), node: i}
	}
	for i := len(p.turns)/2 - 1; i >= 0; i-- {
		p.sink(i)
	}
	return p
}

type turn struct {
	at   float64 // virtual time
	node int
}

type weighted struct {
	nodes []Node

	mu      sync.Mutex
	turns   []turn // min-heap by at
	skipped []turn // scratch of Pick
}

func (p *weighted) Pick(r Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skipped = p.skipped[:0]
	picked, now := -1, 0.0
	for len(p.turns) > 0 {
		top := p.turns[0]
		if !skipped(r, top.node) {
			n := p.nodes[top.node]
			picked, now = top.node, top.at
			p.turns[0].at += 1 / (n.Weight() * n.Share(r.Now))
			p.sink(0)
			break
		}
		p.skipped = append(p.skipped, top)
		last := len(p.turns) - 1
		p.turns[0] = p.turns[last]
		p.turns = p.turns[:last]
		p.sink(0)
	}
	for _, t := range p.skipped {
		t.at = max(t.at, now) // it is next, but does not catch up on what it missed
		p.turns = append(p.turns, t)
		p.rise(len(p.turns) - 1)
	}
	return picked
}

func (p *weighted) Released(int) {}

func (p *weighted) sink(i int) {
	h := p.turns
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

func (p *weighted) rise(i int) {
	h := p.turns
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}
