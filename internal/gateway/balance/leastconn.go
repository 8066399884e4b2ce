package balance

import (
	"math/rand/v2"
	"sync"
)

// LeastConn picks the node with the fewest requests in flight for its weight. Of equal nodes, it picks the one that was
// picked the longest time ago.
//
// The nodes are in a heap by load. The heap is corrected when a request begins or ends, so that a pick costs O(log
// n). A search through ten thousand nodes for each request would cost too much.
func LeastConn(nodes []Node) Picker {
	p := &leastConn{nodes: nodes, heap: rand.Perm(len(nodes)), at: make([]int, len(nodes)),
		load: make([]float64, len(nodes)), last: make([]uint64, len(nodes))}
	for at, i := range p.heap {
		p.at[i] = at
		p.load[i] = float64(nodes[i].InFlight()) / nodes[i].Weight()
	}
	for at := len(p.heap)/2 - 1; at >= 0; at-- {
		p.siftDown(at)
	}
	return p
}

type leastConn struct {
	nodes []Node

	mu      sync.Mutex
	heap    []int     // node indexes, a min-heap by load
	at      []int     // the position of each node in the heap
	load    []float64 // in flight / weight, as of the last pick or release
	last    []uint64  // the number of the pick that picked the node last
	picks   uint64
	removed []int // scratch of Pick
}

func (p *leastConn) Pick(r Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	picked := -1
	p.removed = p.removed[:0]
	for range p.nodes {
		i := p.heap[0]
		if p.load[i] == infinite {
			break // all other nodes are removed, too
		}
		if skipped(r, i) {
			p.remove(i)
			continue
		}
		picked = i // this stays the result when all other nodes are skipped or decline
		p.picks++
		p.last[i] = p.picks // a node that declines counts as picked
		if !declines(p.nodes[i], r.Now) {
			break
		}
		p.remove(i)
	}
	for _, i := range p.removed {
		p.set(i, float64(p.nodes[i].InFlight())/p.nodes[i].Weight())
	}
	if picked >= 0 {
		p.set(picked, float64(p.nodes[picked].InFlight()+1)/p.nodes[picked].Weight())
	}
	return picked
}

func (p *leastConn) Released(i int) {
	load := float64(p.nodes[i].InFlight()) / p.nodes[i].Weight()
	p.mu.Lock()
	p.set(i, load)
	p.mu.Unlock()
}

// infinite is a load that is greater than any real one.
const infinite = 1e300

// remove moves a node to the end of the heap until the pick is over.
func (p *leastConn) remove(i int) {
	p.removed = append(p.removed, i)
	p.set(i, infinite)
}

func (p *leastConn) set(i int, load float64) {
	p.load[i] = load
	p.siftUp(p.at[i])
	p.siftDown(p.at[i])
}

func (p *leastConn) siftDown(at int) {
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

func (p *leastConn) siftUp(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !p.less(at, parent) {
			return
		}
		p.swap(at, parent)
		at = parent
	}
}

// less orders the nodes at positions a and b of the heap: by load, then by their last pick.
func (p *leastConn) less(a, b int) bool {
	i, j := p.heap[a], p.heap[b]
	return p.load[i] < p.load[j] || p.load[i] == p.load[j] && p.last[i] < p.last[j]
}

func (p *leastConn) swap(a, b int) {
	p.heap[a], p.heap[b] = p.heap[b], p.heap[a]
	p.at[p.heap[a]], p.at[p.heap[b]] = a, b
}
