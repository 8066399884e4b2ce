package balance

import "sync/atomic"

// RoundRobin takes the nodes in turn, whatever they are doing.
func RoundRobin(nodes []Node) Picker { return &roundRobin{nodes: nodes} }

type roundRobin struct {
	nodes []Node
	turn  atomic.Uint64
}

func (p *roundRobin) Pick(r Request) int {
	n := len(p.nodes)
	if n == 0 {
		return -1
	}
	// A warming node gives most of its turns away; after a full round somebody has to take the request.
	for range n {
		i := int(p.turn.Add(1)-1) % n
		if !skipped(r, i) && !passesBy(p.nodes[i], r.Now) {
			return i
		}
	}
	return scan(r, int(p.turn.Load())%n, n)
}

func (p *roundRobin) Released(int) {}
