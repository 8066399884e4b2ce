package balance

import "math/rand/v2"

// P2C draws two nodes at random and picks the one with less work ahead. Work is the number of requests in flight
// divided by the weight. Where the response times of the two nodes clearly differ, work is also multiplied by the
// response time.
//
// Two choices are nearly as good as a look at all nodes (Mitzenmacher, "The Power of Two Choices in Randomized Load
// Balancing", 2001). And gateways that read the load at the same time do not all send their requests to the same node.
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
	case declines(p.nodes[a], r.Now), !declines(p.nodes[b], r.Now) && p.less(b, a, r):
		return b
	}
	return a
}

func (p *p2c) Released(int) {}

// maxNoise is how many times longer a node may take than another one and still count as equally fast. Without it, an
// idle fleet would send almost all requests to a node that was a millisecond faster. A node that is a little slower
// has more requests in flight as soon as there is load, and gets fewer new ones for that reason.
const maxNoise = 2

// less reports whether node a has less work ahead than node b. A node of unknown latency is compared by its requests
// only. If unknown counted as fast, a node that has just started would get all requests.
func (p *p2c) less(a, b int, r Request) bool {
	na, nb := p.nodes[a], p.nodes[b]
	loadA := float64(na.InFlight()+1) / na.Weight()
	loadB := float64(nb.InFlight()+1) / nb.Weight()
	if la, lb := na.Latency(r.Now), nb.Latency(r.Now); la > 0 && lb > 0 && (la > maxNoise*lb || lb > maxNoise*la) {
		loadA *= float64(la)
		loadB *= float64(lb)
	}
	return loadA < loadB
}
