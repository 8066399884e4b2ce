// Package fleet makes the wanted nodes of every service exist: it starts them, replaces those that end, and drains them
// before it stops them.
//
// There are three kinds of services, behind one interface (kind.go):
//
//	owned    the fleet starts and stops the nodes with a [Driver], for example processes on this machine
//	listed   the nodes run elsewhere, at a fixed list of addresses; the fleet only publishes them
//	remote   another system starts and stops the nodes ([Remote]); the fleet sets their number and watches them
//
// The fleet decides how many nodes run and when they change. [Traffic] (the gateway) says when a node is ready and when
// its last request has finished. The fleet publishes the nodes that exist as one immutable [node.Set] per service on
// [Fleet.Watch].
package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Fleet keeps services at their wanted size. Its methods may be called concurrently.
type Fleet struct {
	core *core
	ran  atomic.Bool
	kill func()
	wake chan struct{} // tells Run that jobs wait to be launched

	// Guarded by core.mu.
	starting []*job // wait to be launched
	closed   bool   // Run has ended, or ends
}

// New checks the services and allocates. It starts nothing. traffic may be nil when no service serves.
func New(services []Service, traffic Traffic, o *Options) (*Fleet, error) {
	c := newCore(traffic, o)
	f := &Fleet{core: c, kill: sync.OnceFunc(func() { close(c.killed) }), wake: make(chan struct{}, 1)}
	for _, s := range services {
		if err := f.Add(s); err != nil {
			return nil, fmt.Errorf("make fleet: %w", err)
		}
	}
	return f, nil
}

// Run starts the least number of nodes of every service and keeps each service at its wanted size until ctx ends. Then
// it drains and stops all owned nodes at once, and returns nil after the last one is gone. When no service can start at
// all, Run stops everything and returns a [*StartError]. Run may be called once.
func (f *Fleet) Run(ctx context.Context) error {
	if f.ran.Swap(true) {
		return errors.New("run fleet: Run was called before")
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var jobs sync.WaitGroup
	for ctx.Err() == nil {
		f.launch(ctx, func(ctx context.Context, j *job) {
			jobs.Go(func() { f.runJob(ctx, j, giveUp) })
		})
		select {
		case <-f.wake:
		case <-ctx.Done():
		}
	}
	f.close()
	jobs.Wait()
	if start := (*StartError)(nil); errors.As(context.Cause(ctx), &start) {
		return start
	}
	return nil
}

// runJob runs a job until ctx ends.
func (f *Fleet) runJob(ctx context.Context, j *job, giveUp context.CancelCauseFunc) {
	j.run(ctx, giveUp)
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	j.cancel(nil)
	f.ended(j)
}

// Kill ends every drain at once, now and later: requests are cancelled and nodes are forced to end. It is for the
// second signal, after the first one has ended the context of Run.
func (f *Fleet) Kill() { f.kill() }

// Changed returns a channel that is closed at the next change of what Services or Nodes return. To miss no change, call
// Changed before them.
func (f *Fleet) Changed() <-chan struct{} {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	return f.core.changed
}

// Services returns the status of every service, in the order they were added.
func (f *Fleet) Services() []Status {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	all := make([]Status, len(f.core.services))
	for i, s := range f.core.services {
		all[i] = s.status()
	}
	return all
}

// Nodes returns the nodes of a service as they were last published. It returns nil for an unknown service. The caller
// must not change the slice.
func (f *Fleet) Nodes(service string) []node.Node {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	if s := f.core.find(service); s != nil {
		return s.set.Nodes
	}
	return nil
}

// find returns the current job of a service, or nil.
func (f *Fleet) find(service string) *job {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	if s := f.core.find(service); s != nil {
		return s.job
	}
	return nil
}
