// Package balance picks a node for each request. Each file has one algorithm.
//
// A [Picker] is built for one immutable list of nodes. When the list changes, its owner builds a new Picker. A Picker
// reads the load and the speed of the nodes; the health of nodes is not its concern. A pick never waits and allocates
// nothing.
package balance

import (
	"math/rand/v2"
	"time"
)

// Node is what a picker reads of a node. All methods must be cheap and safe for concurrent use.
type Node interface {
	ID() string
	InFlight() int64
	// Latency returns the node's average response time at the instant now (see [Latency]); 0 when it is unknown.
	Latency(now time.Duration) time.Duration
	// Share returns how much of its full load the node may get: 1, or less while the node is warming. It is above 0.
	Share(now time.Duration) float64
	// Weight returns the node's configured share compared with the other nodes. It is above 0, and usually 1.
	Weight() float64
}

// Request is what a picker may know about a request.
type Request struct {
	Key  uint64        // the position on the ring of a consistent hash; only Hash uses it
	Now  time.Duration // the instant, on any monotonic clock that the nodes share
	Skip Skipper       // nodes that must not be picked; nil for none
}

// Skipper reports which nodes a request cannot use, for example full nodes.
type Skipper interface{ Skip(i int) bool }

// Picker chooses one of the nodes that it was built with. Its methods are safe for concurrent use.
type Picker interface {
	// Pick returns the index of a node, or -1 when all nodes are skipped.
	Pick(Request) int
	// Released tells the picker that node i has one request less in flight.
	Released(i int)
}

func skipped(r Request, i int) bool { return r.Skip != nil && r.Skip.Skip(i) }

// declines reports whether a warming node declines this request. It is random, so that the node gets its share.
func declines(n Node, now time.Duration) bool {
	share := n.Share(now)
	return share < 1 && rand.Float64() >= share
}

// scan returns the first of n nodes, counted from start, that is not skipped. It returns -1 when all are skipped.
func scan(r Request, start, n int) int {
	for k := range n {
		i := start + k
		if i >= n {
			i -= n
		}
		if !skipped(r, i) {
			return i
		}
	}
	return -1
}
