package fleet

import (
	"context"
	"slices"
	"sync"
	"time"
)

// core is what all services of a fleet share.
type core struct {
	Options
	traffic Traffic
	backoff backoff
	killed  chan struct{} // closed by Kill

	mu       sync.Mutex    // guards the fields below, and the fields of other types that say so
	changed  chan struct{} // closed and replaced at each change that Watch, Services or Nodes show
	services []*service    // in the order they were added; removed ones until their last node is gone
	detached bool          // a successor has the nodes
	started  bool          // a node became ready, or a service was added to a fleet that runs: the fleet is not given up
	// lastIDs and lastVersions go on counting when the name of a removed service is used again.
	lastIDs, lastVersions map[string]int
}

func newCore(traffic Traffic, o *Options) *core {
	c := &core{Options: o.withDefaults(), traffic: traffic, killed: make(chan struct{}), changed: make(chan struct{}),
		lastIDs: map[string]int{}, lastVersions: map[string]int{}}
	c.backoff = backoff{min: c.BackoffMin, max: c.BackoffMax}
	return c
}

// find returns the service with this name, or nil. The lock is held.
func (c *core) find(name string) *service {
	i := slices.IndexFunc(c.services, func(s *service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return c.services[i]
}

// forget removes a service. The lock is held.
func (c *core) forget(s *service) {
	c.services = slices.DeleteFunc(c.services, func(other *service) bool { return other == s })
	c.lastIDs[s.Name], c.lastVersions[s.Name] = s.ids, s.versions
	c.Metrics.forget(s.Name)
	c.notify()
}

// notify wakes the readers of Watch and Changed. The lock is held.
func (c *core) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// stopContext returns a context for stopping a node. It outlives ctx and ends after the limit or with Kill.
func (c *core) stopContext(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	go func() {
		select {
		case <-c.killed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
