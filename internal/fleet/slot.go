package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

// slot is the place of one wanted node. It holds one node at a time and puts a new one in its place when that fails.
type slot struct {
	fleet   *Fleet
	service *service
	first   chan error    // gets how its first node fared: nil once it is ready
	gone    chan struct{} // closed when the slot ended, and its last node with it
	id      string        // of its node, or of the next one; only run touches it

	// Guarded by Fleet.mu.
	age      int                // the number in id: the higher, the younger
	cancel   context.CancelFunc // ends run; nil until it is launched
	leaving  bool               // it has to go, or is gone
	spare    bool               // it is to take another's place and does not count yet
	pinned   bool               // it is being replaced
	failures int                // in a row
	member   *member            // its node; nil while there is none
}

// add makes a slot; Run launches it. The lock is held.
func (f *Fleet) add(s *service) *slot {
	slot := &slot{fleet: f, service: s, first: make(chan error, 1), gone: make(chan struct{})}
	slot.age, slot.id = s.nextID()
	s.slots = append(s.slots, slot)
	return slot
}

// retire makes a slot go: its node is drained and stopped. The lock is held.
func (f *Fleet) retire(s *slot) {
	switch {
	case s.leaving:
	case s.cancel == nil: // never launched
		f.forget(s)
	default:
		s.leaving = true
		s.cancel()
	}
}

// forget ends the life of a slot. The lock is held.
func (f *Fleet) forget(s *slot) {
	s.leaving = true
	s.service.slots = slices.DeleteFunc(s.service.slots, func(other *slot) bool { return other == s })
	s.report(ErrNotRunning)
	close(s.gone)
}

// run keeps a node in the slot until ctx ends, and then drains and stops it.
func (s *slot) run(ctx context.Context, giveUp context.CancelCauseFunc) {
	f := s.fleet
	defer func() {
		f.mu.Lock()
		f.forget(s)
		f.mu.Unlock()
		f.tellLoop(s.service)
	}()
	for {
		err := s.live(ctx)
		if ctx.Err() != nil {
			return
		}
		s.report(err)
		pause, hopeless := s.failed(err)
		if hopeless != nil {
			giveUp(hopeless)
		}
		select {
		case <-time.After(pause):
			s.renew()
		case <-ctx.Done():
			return
		}
	}
}

// live is the life of one node. It returns when the node is gone: with nil because ctx ended, else with how it failed.
func (s *slot) live(ctx context.Context) error {
	f := s.fleet
	instance, err := f.driver.Start(ctx, s.service.spec(s.id, f.env()))
	if err != nil {
		return err
	}
	started := time.Now()
	s.arrive(instance)
	defer s.depart()
	if err := s.awaitReady(ctx, instance); err != nil {
		s.drain(instance)
		return err
	}
	steady := time.After(s.becameReady())
	f.log.Info("node ready", "service", s.service.Name, "node", s.id, "after_ms", time.Since(started).Milliseconds())
	for {
		select {
		case <-steady:
			s.proved()
		case <-instance.Done():
			return instance.Err()
		case <-ctx.Done():
			s.drain(instance)
			return nil
		}
	}
}

// awaitReady returns nil when the node is ready, and else how it failed.
func (s *slot) awaitReady(ctx context.Context, instance Instance) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.fleet.opts.StartTimeout, errNotReady)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- s.probe(ctx, instance.Address()) }()
	select {
	case err := <-ready:
		if err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
			err = context.Cause(ctx)
		}
		if errors.Is(err, errNotReady) && !s.service.Worker {
			err = fmt.Errorf("%w; expected: %s", err, s.service.expected(instance.Address()))
		}
		return err
	case <-instance.Done():
		cancel()
		<-ready
		return instance.Err()
	}
}

// probe waits until a node is ready. A worker has nothing to answer with: it is ready when it did not end at once.
func (s *slot) probe(ctx context.Context, address string) error {
	if !s.service.Worker {
		return s.fleet.awaitServing(ctx, s.service, s.id, address)
	}
	select {
	case <-time.After(steadyMin):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain lets the node finish its requests and ends it. Both have the service's drain together; Kill cuts it short.
func (s *slot) drain(instance Instance) {
	f := s.fleet
	log := f.log.With("service", s.service.Name, "node", s.id)
	select {
	case <-instance.Done():
		return
	default:
	}
	s.marked(node.Draining)
	log.Info("node drains", "drain_ms", s.service.Drain.Milliseconds())
	until := time.Now().Add(s.service.Drain)
	if !s.service.Worker {
		ctx, cancel := context.WithDeadline(f.killed, until)
		if err := f.traffic.Drain(ctx, s.service.Name, s.id); err != nil && ctx.Err() == nil {
			log.Warn("node did not drain", "error", err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(f.killed, max(time.Until(until), f.opts.StopGrace))
	defer cancel()
	if err := instance.Stop(ctx); err != nil {
		log.Error("node does not end", "pid", instance.PID(), "error", err)
		return
	}
	log.Info("node stopped", "exit", instance.Err())
}

// report tells whoever waits for the first node of this slot how it fared.
func (s *slot) report(err error) {
	select {
	case s.first <- err:
	default: // not the first
	}
}

// renew gives the next node of the slot its id.
func (s *slot) renew() {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	s.age, s.id = s.service.nextID()
}

// arrive publishes a node that was just started.
func (s *slot) arrive(instance Instance) {
	n := node.Node{
		ID: s.id, Service: s.service.Name, Address: instance.Address(), PID: instance.PID(), Started: time.Now(),
	}
	if s.service.Worker {
		n.State = node.Ready // there is no probe that could find out more
	}
	f := s.fleet
	f.log.Info("node started", "service", n.Service, "node", n.ID, "address", n.Address, "pid", n.PID)
	f.mu.Lock()
	defer f.mu.Unlock()
	s.member = &member{Node: n, age: s.age}
	s.service.members = append(s.service.members, s.member)
	slices.SortFunc(s.service.members, func(a, b *member) int { return a.age - b.age })
	f.publish(s.service)
}

// depart takes away a node that is gone.
func (s *slot) depart() {
	f := s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	s.service.members = slices.DeleteFunc(s.service.members, func(m *member) bool { return m == s.member })
	s.member = nil
	f.publish(s.service)
}

func (s *slot) marked(state node.State) {
	f := s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	s.member.State = state
	f.publish(s.service)
}

// becameReady notes that the node works, and returns how long it must do so to count as proved.
func (s *slot) becameReady() time.Duration {
	f := s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	s.member.ready = true
	s.service.wasReady = true
	s.report(nil)
	f.count(s.service)
	f.notify()
	return f.backoff.steady(s.failures)
}
