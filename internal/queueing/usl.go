// Package queueing holds the mathematics of capacity planning. It knows nothing about tenfold.
//
//   - [USL] is the throughput of a fleet by its number of nodes, and [FitUSL] fits it to measurements.
//   - [Queue] is the time that requests wait for a free server, by utilisation.
//   - [KofN], [Redundant] and [Spares] are the availability of redundant nodes.
//
// All functions are pure and safe for concurrent use.
package queueing

import "math"

// USL is the Universal Scalability Law: the throughput of n nodes is
//
//	X(n) = γ·n / (1 + α·(n-1) + β·n·(n-1))
//
// Source: N. Gunther, "Guerrilla Capacity Planning". With β = 0 it is Amdahl's law, with α = β = 0 a straight line.
type USL struct {
	Alpha float64 `json:"alpha"` // contention: the share of the work that only one node at a time can do
	Beta  float64 `json:"beta"`  // coherency: the cost of keeping each pair of nodes consistent
	Gamma float64 `json:"gamma"` // throughput of one node
}

// Throughput returns X(n).
func (u USL) Throughput(n float64) float64 {
	return u.Gamma * n / u.penalty(n)
}

func (u USL) penalty(n float64) float64 {
	return 1 + u.Alpha*(n-1) + u.Beta*n*(n-1)
}

// Peak returns the number of nodes with the highest throughput, and that throughput. More nodes are slower. Without
// coherency cost the throughput rises with every node: nodes is +Inf and throughput is Limit.
func (u USL) Peak() (nodes, throughput float64) {
	if u.Beta == 0 {
		return math.Inf(1), u.Limit()
	}
	nodes = math.Sqrt((1 - u.Alpha) / u.Beta)
	return nodes, u.Throughput(nodes)
}

// Limit returns the throughput that contention alone allows for any number of nodes: γ/α. Without contention it is
// +Inf.
func (u USL) Limit() float64 {
	return u.Gamma / u.Alpha
}

// Optimum returns the number of nodes at which a fleet without coherency cost reaches half of Limit: 1/α.
func (u USL) Optimum() float64 {
	return 1 / u.Alpha
}
