package gateway

import "sync"

// Changed returns a channel that is closed at the next change of the state of a node, as [Gateway.Nodes] reports it. To
// miss no change, call Changed before Nodes. It is safe for concurrent use.
func (g *Gateway) Changed() <-chan struct{} { return g.nodeChanges.next() }

// changes tells any number of goroutines that something has changed. The zero value is ready to use.
type changes struct {
	mu      sync.Mutex
	changed chan struct{} // closed by the next report; nil when no goroutine asked since the last one
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// report never blocks.
func (c *changes) report() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}
