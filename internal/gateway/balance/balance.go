// Package balance picks a node for each request: one algorithm per file, no health logic inside.
//
// A Picker is built for one immutable list of nodes and thrown away when the list changes. It asks the nodes for what they
// are doing; it never waits, and allocates nothing per pick.
package balance

import (
	"math/rand/v2"
	"time"
)

// Node is what a picker asks of a node. All methods must be cheap and safe for concurrent use.
type Node interface {
	ID() string
	InFlight() int64
	// Latency is the node's decayed response time (see [Latency]) at the instant now; 0 when nothing is known of it.
	Latency(now time.Duration) time.Duration
	// Share is how much of its full share a warming node may get: above 0, up to 1.
	Share(now time.Duration) float64
	// Weight is the node's configured share beside its siblings; above 0, usually 1.
	Weight() float64
}

// Request is what a picker may know of the request.
type Request struct {
	Key  uint64        // what a consistent hash goes by; the others ignore it
	Now  time.Duration // the instant, on any monotonic clock that the nodes share
	Skip Skipper       // nodes that must not be picked; nil for none
}

// Skipper tells which nodes a request cannot use: those it was tried on, those that are full.
type Skipper interface{ Skip(i int) bool }

// Picker chooses among the nodes that it was built with. Its methods are safe for concurrent use.
type Picker interface {
	// Pick returns the index of a node, or -1 when every one is skipped.
	Pick(Request) int
	// Released tells that node i has one request less in flight.
	Released(i int)
}

func skipped(r Request, i int) bool { return r.Skip != nil && r.Skip.Skip(i) }

// passesBy draws whether a warming node lets this request pass by.
func passesBy(n Node, now time.Duration) bool {
	share := n.Share(now)
	return share < 1 && rand.Float64() >= share
}

// scan returns the first node from start on that is not skipped.
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
