package fleettest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/node"
)

// Cluster is a [fleet.Remote] in memory, for tests. Its nodes have addresses, but no program listens there.
type Cluster struct {
	// ScaleErr is called by Scale, if it is not nil. Scale returns its error and changes nothing.
	ScaleErr func(n int) error

	mu      sync.Mutex
	wanted  int
	nodes   []node.Node
	ids     int
	changed chan struct{} // closed and replaced at each change
}

// NewCluster returns a Cluster that runs n nodes.
func NewCluster(n int) *Cluster {
	c := &Cluster{changed: make(chan struct{})}
	c.set(n)
	return c
}

// Scale sets the number of nodes. It takes effect at once.
func (c *Cluster) Scale(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.ScaleErr != nil {
		if err := c.ScaleErr(n); err != nil {
			return err
		}
	}
	c.set(n)
	return nil
}

// Watch sends the current state and every newer one that the reader waits for.
func (c *Cluster) Watch(ctx context.Context) <-chan fleet.RemoteState {
	states := make(chan fleet.RemoteState)
	go func() {
		defer close(states)
		for {
			state, changed := c.state()
			select {
			case states <- state:
				select {
				case <-changed:
				case <-ctx.Done():
					return
				}
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return states
}

// Replace ends a node and starts a new one, as the system does with a node that has failed.
func (c *Cluster) Replace(id string) {
	c.mu.Lock()
	c.nodes = slices.DeleteFunc(slices.Clone(c.nodes), func(n node.Node) bool { return n.ID == id })
	n := c.wanted
	c.mu.Unlock()
	c.set(n)
}

func (c *Cluster) state() (fleet.RemoteState, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fleet.RemoteState{Wanted: c.wanted, Nodes: c.nodes}, c.changed
}

// set ends the youngest nodes, or starts new ones, until there are n. It replaces the slice: a reader may have the old
// one.
func (c *Cluster) set(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = n
	nodes := slices.Clone(c.nodes[:min(n, len(c.nodes))])
	for len(nodes) < n {
		c.ids++
		nodes = append(nodes, node.Node{
			ID: fmt.Sprintf("pod-%d", c.ids), Address: fmt.Sprintf("10.0.0.%d:80", c.ids), Started: time.Now(),
		})
	}
	c.nodes = nodes
	close(c.changed)
	c.changed = make(chan struct{})
}
