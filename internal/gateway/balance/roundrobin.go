package balance

import "sync/atomic"

// RoundRobin picks the nodes one after the other. It does not look at their load.
func RoundRobin(nodes []Node) Picker { return &roundRobin{nodes: nodes} }

type roundRobin struct {
	nodes []Node
	next  atomic.Uint64 // picks so far
}

func (p *roundRobin) Pick(r Request) int {
	n := len(p.nodes)
	if n == 0 {
		return -1
	}
	// A warming node declines most of its requests. After one round without success, such a node gets the request.
	for range n {
		i := int(p.next.Add(1)-1) % n
		if !skipped(r, i) && !declines(p.nodes[i], r.Now) {
			return i
		}
	}
	return scan(r, int(p.next.Load())%n, n)
}

func (p *roundRobin) Released(int) {}
