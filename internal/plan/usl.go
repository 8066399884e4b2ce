package plan

import "math"

// USL is the Universal Scalability Law: the throughput of n nodes is
//
//	X(n) = γ·n / (1 + α·(n-1) + β·n·(n-1))
//
// Source: N. Gunther, "Guerrilla Capacity Planning". β = 0 is Amdahl's law, α = β = 0 is a straight line.
type USL struct {
	Alpha float64 `json:"alpha"` // contention: the share of the work that only one node at a time can do
	Beta  float64 `json:"beta"`  // coherency: the cost of keeping each pair of nodes in agreement
	Gamma float64 `json:"gamma"` // requests per second of one node
}

// Throughput is X(n), in requests per second.
func (u USL) Throughput(n float64) float64 {
	return u.Gamma * n / u.penalty(n)
}

func (u USL) penalty(n float64) float64 {
	return 1 + u.Alpha*(n-1) + u.Beta*n*(n-1)
}

// Peak is the number of nodes beyond which another node makes the fleet slower, and the throughput there. Without
// coherency cost there is no such number: nodes is +Inf, and rps is Limit.
func (u USL) Peak() (nodes, rps float64) {
	if u.Beta == 0 {
		return math.Inf(1), u.Limit()
	}
	nodes = math.Sqrt((1 - u.Alpha) / u.Beta)
	return nodes, u.Throughput(nodes)
}

// Limit is the throughput that contention alone allows, however many nodes: γ/α. Without contention it is +Inf.
func (u USL) Limit() float64 {
	return u.Gamma / u.Alpha
}

// Optimum is the number of nodes at which a perfectly coherent fleet reaches half of Limit: 1/α.
func (u USL) Optimum() float64 {
	return 1 / u.Alpha
}
