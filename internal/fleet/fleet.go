// Package fleet makes the wanted nodes of every service real: it starts them, replaces those that end, and drains them
// before it stops them.
//
// The fleet decides how many and when; a [Driver] makes a single node, and [Traffic] (the gateway) says when a node is
// ready and when its last request is finished. What exists is published as one immutable [node.Set] per service on
// [Fleet.Watch]. Services with a fixed list of addresses are published the same way; nothing of them is started or
// stopped.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Options are all optional.
type Options struct {
	Log     *slog.Logger // one record per change of a node; default: discarded
	Metrics *Metrics     // default: counted but not registered
	// Env returns KEY=VALUE for every node, for example REDIS_URL. It is called at each start of a node. A service's own
	// Env wins. Default: none.
	Env func() []string

	StartTimeout time.Duration // how long a node may take until it is ready; then it is stopped and replaced; default 60s
	StopGrace    time.Duration // at least this long between asking a node to end and forcing it; default 5s
	BackoffMin   time.Duration // ceiling of the pause before the second replacement in a row; default 100ms
	BackoffMax   time.Duration // ceiling of the longest pause; default 30s
}

// Fleet keeps services at their wanted size. Its methods may be called concurrently.
type Fleet struct {
	driver   Driver
	traffic  Traffic
	opts     Options
	backoff  backoff
	log      *slog.Logger
	metrics  *Metrics
	services []*service // fixed; in the order they were given

	killed context.Context // ends with Kill; every drain derives from it
	kill   context.CancelFunc
	wake   chan struct{} // tells Run that wanted and actual may differ

	mu      sync.Mutex // guards what follows and the marked part of service, slot and member
	phase   phase
	changed chan struct{} // closed and replaced at each change that Watch, Services or Nodes show
}

type phase uint8

const (
	fresh phase = iota
	running
	ended
)

// New checks the services and allocates; Run starts them. traffic may be nil when no service serves.
func New(services []config.Service, driver Driver, traffic Traffic, o *Options) (*Fleet, error) {
	if o == nil {
		o = &Options{}
	}
	f := &Fleet{driver: driver, traffic: traffic, opts: *o, wake: make(chan struct{}, 1), changed: make(chan struct{})}
	f.opts.StartTimeout = cmp.Or(f.opts.StartTimeout, time.Minute)
	f.opts.StopGrace = cmp.Or(f.opts.StopGrace, 5*time.Second)
	f.backoff = backoff{
		min: cmp.Or(f.opts.BackoffMin, 100*time.Millisecond),
		max: cmp.Or(f.opts.BackoffMax, 30*time.Second),
	}
	f.log = cmp.Or(f.opts.Log, slog.New(slog.DiscardHandler))
	f.killed, f.kill = context.WithCancel(context.Background())
	for _, c := range services {
		if err := check(c, f.services, traffic); err != nil {
			return nil, fmt.Errorf("make fleet: service %q: %w", c.Name, err)
		}
		f.services = append(f.services, newService(c))
	}
	if f.metrics = f.opts.Metrics; f.metrics == nil {
		f.metrics, _ = NewMetrics(nil)
	}
	for _, s := range f.services {
		f.count(s)
	}
	return f, nil
}

func check(c config.Service, others []*service, traffic Traffic) error {
	switch {
	case c.Name == "":
		return errors.New("it has no name")
	case find(others, c.Name) != nil:
		return errors.New("it is there twice")
	case len(c.Run) == 0 == (len(c.Addresses) == 0):
		return errors.New("it must have either a command or addresses")
	case len(c.Run) > 0 && (c.MinNodes < 0 || c.MaxNodes < c.MinNodes):
		return fmt.Errorf("%d..%d nodes is not a range", c.MinNodes, c.MaxNodes)
	case traffic == nil && !c.Worker:
		return errors.New("nobody sends it requests")
	}
	return nil
}

// Run starts the least number of nodes of every service and keeps each at its wanted size until ctx ends. Then it
// drains and stops all nodes at once and returns nil after the last one is gone. It returns a [*StartError], after
// stopping everything, when a service turns out not to start at all. Run runs once.
func (f *Fleet) Run(ctx context.Context) error {
	if !f.enter(fresh, running) {
		return errors.New("run fleet: it ran already")
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var slots sync.WaitGroup
	for _, s := range f.services {
		if s.static() {
			slots.Go(func() { f.look(ctx, s) })
		}
	}
	for ctx.Err() == nil {
		f.reconcile(func(s *slot) {
			ctx, cancel := context.WithCancel(ctx)
			s.cancel = cancel
			slots.Go(func() { defer cancel(); s.run(ctx, giveUp) })
		})
		select {
		case <-f.wake:
		case <-ctx.Done():
		}
	}
	f.enter(running, ended)
	f.abandon()
	slots.Wait()
	if start := (*StartError)(nil); errors.As(context.Cause(ctx), &start) {
		return start
	}
	return nil
}

// Kill cuts every drain short, those under way and those to come: requests are cancelled and nodes are forced to end.
// It is what a second signal asks for, after the first one has ended Run's context.
func (f *Fleet) Kill() { f.kill() }

// enter moves from one phase to the next.
func (f *Fleet) enter(from, to phase) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.phase != from {
		return false
	}
	f.phase = to
	return true
}

// poke makes Run compare wanted and actual.
func (f *Fleet) poke() {
	select {
	case f.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// reconcile gives every service as many slots as it should have; launch is called with the lock held.
func (f *Fleet) reconcile(launch func(*slot)) {
	for _, s := range f.services {
		f.shrink(s)
		f.grow(s, launch)
	}
}

// grow adds slots up to the wanted number and launches those that are new, spares of a replacement included.
func (f *Fleet) grow(s *service, launch func(*slot)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := len(s.counted()); n < s.wanted; n++ {
		f.add(s)
	}
	for _, slot := range s.slots {
		if slot.cancel == nil {
			launch(slot)
		}
	}
}

// abandon ends the slots that Run did not come to launch.
func (f *Fleet) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.services {
		for _, slot := range slices.Clone(s.slots) {
			if slot.cancel == nil {
				f.retire(slot)
			}
		}
	}
}
