// Package node describes one running copy of a service.
//
// It holds data only. The fleet starts and stops nodes, and the gateway sends requests to them. Both use this
// package, so that neither has to import the other.
package node

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// State is the state of a node. A node moves through the states in their order. There is one exception: a node that
// fails its probe goes back from Ready or Warming to Starting. A node that has ended is gone: it is in no set and has
// no State.
//
// The fleet publishes what it does to a node: Starting, then Draining; for a worker Ready, then Draining. The gateway
// probes the nodes that serve, and reports all four states.
type State uint8

const (
	Starting State = iota // the node exists; it gets no requests
	Warming               // the node passes its probe and gets a growing share of the requests
	Ready                 // the node gets its full share
	Draining              // the node gets no new requests; it may finish those that it has
)

var stateNames = [...]string{"starting", "warming", "ready", "draining"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText returns the name of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(stateNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown node state %q", text)
	}
	*s = State(i)
	return nil
}

// ErrUndrained is the cause with which the context of a drain ends when the node is taken back: its requests go on.
var ErrUndrained = errors.New("the node was undrained")

// Node is one running copy of a service, as its owner sees it: the fleet, or a list of addresses.
type Node struct {
	ID      string    // unique over all services and never reused, for example "shop-3"
	Service string    // the name of its service
	Address string    // host:port that it serves on; empty for a worker, which serves no requests
	State   State     // what its owner knows: see State
	PID     int       // its process on this machine; 0 when tenfold did not start it
	Started time.Time // when it was started; zero when tenfold did not start it
	Weight  int       // its share compared with the other nodes; 0 means 1
	Backup  bool      // it gets requests only while no other node is ready
	// Admitted is how often it was taken back from a drain. Of two states of a node, the one with the higher number is newer.
	Admitted int
	Version  int // what it runs, counted per service from 1; 0 when tenfold did not start it
}

// Set has all nodes of one service at one instant. It is immutable: a change of the nodes makes a new Set. Any number
// of goroutines may read a Set without a lock.
type Set struct {
	Service string
	Nodes   []Node // in the order in which they were started
	Canary  Canary // the zero value without one
}

// Canary says that nodes of one version get a share of the requests, and all other nodes the rest.
type Canary struct {
	Version int     // of the nodes; 0 without a canary
	Share   float64 // above 0, below 1
}

// Find returns the node with this id. It returns false when the set has no such node.
func (s Set) Find(id string) (Node, bool) {
	i := slices.IndexFunc(s.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return Node{}, false
	}
	return s.Nodes[i], true
}
