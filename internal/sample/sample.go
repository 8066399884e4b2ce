// Package sample describes the traffic of one service: a [Sample] per second and a [Window] of the newest samples.
//
// The gateway's pools produce samples. The autoscaler, the console and the doctor read them. The package holds values
// only: it has no clock and starts nothing. Every function that depends on the time takes it as an argument.
package sample

import "time"

// Sample is what the pool of one service measured during one interval.
type Sample struct {
	Service  string
	Time     time.Time     // the end of the interval
	Interval time.Duration // the length of the interval, usually one second
	InFlight int           // requests that hold a slot on a node, at Time
	Queued   int           // requests that wait for a slot, at Time
	Counts
	Latency Histogram // from the arrival at the pool to the response, of the requests that got a response in the interval
	Nodes   []Node    // all nodes that the pool knows at Time; must not be modified
}

// Counts are events of one interval.
//
// Every offered request is later counted as rejected, completed, failed or canceled, exactly once. A request that was
// accepted in one interval may complete in a later one.
type Counts struct {
	Offered   uint64 // requests that arrived at the pool
	Accepted  uint64 // requests that got a slot on a node, at once or after they waited in the queue
	Rejected  uint64 // requests that got no slot: no node, circuit breaker open, queue full or queue timeout
	Completed uint64 // requests that got a response with a status below 500
	Failed    uint64 // requests that got a response with a 5xx status, or no response
	Canceled  uint64 // requests whose client disconnected, or sent a broken body, before there was a response
}

// Add returns the sums of c and d.
func (c Counts) Add(d Counts) Counts {
	return Counts{
		Offered: c.Offered + d.Offered, Accepted: c.Accepted + d.Accepted, Rejected: c.Rejected + d.Rejected,
		Completed: c.Completed + d.Completed, Failed: c.Failed + d.Failed, Canceled: c.Canceled + d.Canceled,
	}
}

// Node is the part of one node in a Sample.
type Node struct {
	ID       string
	InFlight int  // requests that hold a slot on the node
	Tunnels  int  // upgraded connections, for example WebSockets; they hold no slot
	Eligible bool // the node gets new requests
}

// Eligible returns the number of nodes that get new requests.
func (s Sample) Eligible() (n int) {
	for _, node := range s.Nodes {
		if node.Eligible {
			n++
		}
	}
	return n
}
