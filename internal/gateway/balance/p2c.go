package balance

import "math/rand/v2"

// P2C draws two nodes and takes the one with less work ahead: requests in flight, times response time where that differs
// by more than noise, over its weight.
//
// Two choices are nearly as good as looking at all (Mitzenmacher, "The Power of Two Choices in Randomized Load
// Balancing", 2001), and many gateways that look at once do not all run to the same node.
func P2C(nodes []Node) Picker { return &p2c{nodes: nodes} }

type p2c struct{ nodes []Node }

func (p *p2c) Pick(r Request) int {
	n := len(p.nodes)
	switch n {
	case 0:
		return -1
	case 1:
		return scan(r, 0, 1)
	}
	a := rand.IntN(n)
	b := rand.IntN(n - 1)
	if b >= a {
		b++
	}
	skipA, skipB := skipped(r, a), skipped(r, b)
	switch {
	case skipA && skipB:
		return scan(r, rand.IntN(n), n)
	case skipA:
		return b
	case skipB:
		return a
	case passesBy(p.nodes[a], r.Now), !passesBy(p.nodes[b], r.Now) && p.less(b, a, r):
		return b
	}
	return a
}

// alike is how many times as long a node may take as another one and still count as equally fast. Less is noise: without
// it, an idle fleet would send next to all requests to whichever node was a millisecond faster. A node that really is a
// little slower shows it by its requests in flight, as soon as there are any.
const alike = 2

// less reports whether node a has less work ahead than b. A node of unknown latency is judged by its requests alone:
// taking it for infinitely fast would send everything to a node that was just started.
func (p *p2c) less(a, b int, r Request) bool {
	na, nb := p.nodes[a], p.nodes[b]
	loadA := float64(na.InFlight()+1) / na.Weight()
	loadB := float64(nb.InFlight()+1) / nb.Weight()
	if la, lb := na.Latency(r.Now), nb.Latency(r.Now); la > 0 && lb > 0 && (la > alike*lb || lb > alike*la) {
		loadA *= float64(la)
		loadB *= float64(lb)
	}
	return loadA < loadB
}

func (p *p2c) Released(int) {}
