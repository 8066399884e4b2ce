package balance

import (
	"math/rand/v2"
	"sync"
)

// LeastConn takes the node with the fewest requests in flight for its weight. Equals take
// turns.
//
// The nodes stand in a heap by load that is mended when a request begins and ends, so that a pick among ten thousand
// costs O(log n), not a look at each.
func LeastConn(nodes []Node) Picker {
	p := &leastConn{nodes: nodes, heap: rand.Perm(len(nodes)), at: make([]int, len(nodes)),
		load: make([]float64, len(nodes)), last: make([]uint64, len(nodes))}
	for at, i := range p.heap {
		p.at[i] = at
		p.load[i] = float64(nodes[i].InFlight()) / nodes[i].Weight()
	}
	for at := len(p.heap)/2 - 1; at >= 0; at-- {
		p.sink(at)
	}
	return p
}

type leastConn struct {
	nodes []Node

	mu      sync.Mutex
	heap    []int     // node indexes, a min-heap by load
	at      []int     // where each node stands in the heap
	load    []float64 // in flight / weight when last looked at
	last    []uint64  // the pick at which each node was last taken
	picks   uint64
	skipped []int // scratch of Pick
}

func (p *leastConn) Pick(r Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	picked := -1
	p.skipped = p.skipped[:0]
	for range p.nodes {
		i := p.heap[0]
		load := p.load[i]
		if load == unusable {
			break // all others are set aside
		}
		n := p.nodes[i]
		if skipped(r, i) {
			p.setAside(i)
			continue
		}
		picked = i // and stays it if all others are set aside
		p.picks++
		p.last[i] = p.picks // letting a request pass by uses up the turn
		if !passesBy(n, r.Now) {
			break
		}
		p.setAside(i)
	}
	for _, i := range p.skipped {
		p.set(i, float64(p.nodes[i].InFlight())/p.nodes[i].Weight())
	}
	if picked >= 0 {
		p.set(picked, float64(p.nodes[picked].InFlight()+1)/p.nodes[picked].Weight())
	}
	return picked
}

// setAside keeps a node out of this pick.
func (p *leastConn) setAside(i int) {
	p.skipped = append(p.skipped, i)
	p.set(i, unusable)
}

// unusable sorts behind every load.
const unusable = 1e300

func (p *leastConn) Released(i int) {
	load := float64(p.nodes[i].InFlight()) / p.nodes[i].Weight()
	p.mu.Lock()
	p.set(i, load)
	p.mu.Unlock()
}

func (p *leastConn) set(i int, load float64) {
	p.load[i] = load
	p.rise(p.at[i])
	p.sink(p.at[i])
}

// less orders the nodes in places a and b of the heap: by load, then by who waited longest.
func (p *leastConn) less(a, b int) bool {
	i, j := p.heap[a], p.heap[b]
	return p.load[i] < p.load[j] || p.load[i] == p.load[j] && p.last[i] < p.last[j]
}

func (p *leastConn) swap(a, b int) {
	p.heap[a], p.heap[b] = p.heap[b], p.heap[a]
	p.at[p.heap[a]], p.at[p.heap[b]] = a, b
}

func (p *leastConn) sink(at int) {
	for {
		least := at
		for c := 2*at + 1; c <= 2*at+2 && c < len(p.heap); c++ {
			if p.less(c, least) {
				least = c
			}
		}
		if least == at {
			return
		}
		p.swap(at, least)
		at = least
	}
}

func (p *leastConn) rise(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !p.less(at, parent) {
			return
		}
		p.swap(at, parent)
		at = parent
	}
}
