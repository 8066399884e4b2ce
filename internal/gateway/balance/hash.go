package balance

import (
	"math"
	"slices"
)

// Hash picks the node that the request's key belongs to on a ring. The same key keeps its node. When a node is added or
// removed, only the keys of that node move.
//
// No node gets more than a quarter above the mean load: further requests go to the next node on the ring (Mirrokni,
// Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016). total returns the number of requests in
// flight on all nodes.
func Hash(nodes []Node, total func() int64) Picker {
	p := &ring{nodes: nodes, total: total}
	for _, n := range nodes {
		p.weight += n.Weight()
	}
	if len(nodes) == 0 {
		return p
	}
	// With this many points, the shares differ by a few percent, and the ring of a large fleet stays small.
	pointsPerNode := min(max(100_000/len(nodes), 40), 200)
	for i, n := range nodes {
		count := max(1, int(math.Round(float64(pointsPerNode)*n.Weight()*float64(len(nodes))/p.weight)))
		h := Key(n.ID())
		for range count {
			h = mix(h + 0x9e3779b97f4a7c15)
			p.points = append(p.points, point{h, int32(i)})
		}
	}
	slices.SortFunc(p.points, comparePoints)
	p.buildIndex()
	return p
}

// maxOverMean is the largest load of a node compared with the mean.
const maxOverMean = 1.25

type ring struct {
	nodes  []Node
	total  func() int64
	weight float64 // of all nodes
	points []point // sorted by hash

	// first[h>>shift] is the index of the first point with that prefix of its hash, or a greater one. It replaces a
	// search.
	first []int32
	shift uint
}

type point struct {
	hash uint64
	node int32
}

func comparePoints(a, b point) int {
	if a.hash != b.hash {
		if a.hash < b.hash {
			return -1
		}
		return 1
	}
	return int(a.node - b.node)
}

func (p *ring) buildIndex() {
	bits := uint(1)
	for 1<<bits < len(p.points) {
		bits++
	}
	p.shift = 64 - bits
	p.first = make([]int32, 1<<bits)
	at := 0
	for prefix := range p.first {
		for at < len(p.points) && p.points[at].hash>>p.shift < uint64(prefix) {
			at++
		}
		p.first[prefix] = int32(at)
	}
}

func (p *ring) Pick(r Request) int {
	if len(p.nodes) == 0 {
		return -1
	}
	at := int(p.first[r.Key>>p.shift])
	for at < len(p.points) && p.points[at].hash < r.Key {
		at++
	}
	bound := maxOverMean * float64(p.total()+1) / p.weight
	fallback := -1
	// The loop can visit every node. It usually ends after one or two steps, because at least a fifth of the nodes are
	// below the bound at any time.
	for k := range p.points {
		i := int(p.points[(at+k)%len(p.points)].node)
		if skipped(r, i) {
			continue
		}
		if fallback < 0 {
			fallback = i
		}
		n := p.nodes[i]
		if float64(n.InFlight()) < math.Ceil(bound*n.Weight()) && !declines(n, r.Now) {
			return i
		}
	}
	return fallback
}

func (p *ring) Released(int) {}

// Key returns the ring position of a string: its FNV-1a hash, mixed so that similar strings are far apart. It is the
// same in every process, so that several gateways pick the same node.
func Key(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h ^= uint64(s[i])
		h *= 1099511628211
	}
	return mix(h)
}

// mix is the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h
}
