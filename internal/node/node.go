// Package node names the thing that everything else is about: one running copy of a service.
//
// It holds data and no behaviour, so that the fleet (which starts nodes) and the gateway (which sends requests to them)
// can speak of the same node without knowing each other.
package node

import (
	"fmt"
	"slices"
	"time"
)

// State is where a node stands in its life. A node moves only forward through the states, except that one that stops
// answering its probe falls back from Ready to Starting.
type State uint8

const (
	Starting State = iota // it exists; nothing is sent to it yet
	Warming               // it answers its probe and gets a growing share of the requests
	Ready                 // it gets its full share
	Draining              // it gets nothing new; what it holds may finish
	Gone                  // it ended
)

var stateNames = [...]string{"starting", "warming", "ready", "draining", "gone"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText makes a State its name in JSON.
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

// Node is one running copy of a service, as its owner (the fleet, or a list of addresses) sees it.
type Node struct {
	ID      string    // unique over all services and never reused, for example "shop-3"
	Service string    // the service that it is a copy of
	Address string    // host:port that it serves on; empty for a worker, which serves nothing
	State   State     // Starting until something better is known, Draining once it has to go
	PID     int       // its process on this machine; 0 when it is not one of ours
	Started time.Time // when this copy was started; zero when it is not one of ours
	Weight  int       // its share beside its siblings; 0 means 1
}

// Set is all nodes of one service at one instant. It is immutable: whoever changes the fleet makes a new Set, and whoever
// holds one may read it without a lock.
type Set struct {
	Service string
	Nodes   []Node // in the order in which they were started
}

// Find returns the node with this id.
func (s Set) Find(id string) (Node, bool) {
	i := slices.IndexFunc(s.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return Node{}, false
	}
	return s.Nodes[i], true
}
