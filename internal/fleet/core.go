package fleet

import (
	"context"
	"sync"
	"time"
)

// core is what all services of a fleet share.
type core struct {
	Options
	traffic Traffic
	backoff backoff
	killed  chan struct{} // closed by Kill

	services []*service // fixed, in the order they were given

	mu      sync.Mutex    // guards changed, and the fields of other types that say so
	changed chan struct{} // closed and replaced at each change that Watch, Services or Nodes show
}

func newCore(traffic Traffic, o *Options) *core {
	c := &core{Options: o.withDefaults(), traffic: traffic, killed: make(chan struct{}), changed: make(chan struct{})}
	c.backoff = backoff{min: c.BackoffMin, max: c.BackoffMax}
	return c
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
