package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Scale sets the wanted size of a service, within its nodes: MIN..MAX. It returns at once; Run makes it so.
func (f *Fleet) Scale(ctx context.Context, service string, n int) error {
	s, err := f.service(service)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && (n < s.MinNodes || n > s.MaxNodes) {
		err = fmt.Errorf("%w: %d..%d", ErrSize, s.MinNodes, s.MaxNodes)
	}
	if err != nil {
		return fmt.Errorf("scale service %q to %d: %w", service, n, err)
	}
	f.mu.Lock()
	from := s.wanted
	s.wanted = n
	f.count(s)
	f.notify()
	f.mu.Unlock()
	if from != n {
		f.log.Info("service scales", "service", s.Name, "from", from, "to", n)
		f.poke()
	}
	return nil
}

// Restart replaces the nodes of a service one by one: a new one is ready before an old one drains, and that one is gone
// before the next new one starts, so there is never more than one node too many. It stops at the first new node that
// fails, or when ctx ends, and leaves the remaining old ones running. It fails with [ErrBusy] when a restart is under
// way and with [ErrStatic] when the nodes are not started by tenfold.
func (f *Fleet) Restart(ctx context.Context, service string) error {
	s, err := f.service(service)
	if err != nil {
		return fmt.Errorf("restart service %q: %w", service, err)
	}
	old, err := f.beginRestart(s)
	if err != nil {
		return fmt.Errorf("restart service %q: %w", service, err)
	}
	defer f.endRestart(s)
	for i, slot := range old {
		if err := f.replace(ctx, slot); err != nil {
			return fmt.Errorf("restart service %q: %d of %d nodes replaced: %w", service, i, len(old), err)
		}
	}
	return nil
}

// beginRestart returns the slots that are to be replaced, the oldest first, and keeps others from doing the same.
func (f *Fleet) beginRestart(s *service) ([]*slot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.phase != running:
		return nil, ErrNotRunning
	case s.restarting:
		return nil, ErrBusy
	}
	s.restarting = true
	f.notify()
	return s.counted(), nil
}

func (f *Fleet) endRestart(s *service) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.restarting = false
	f.notify()
}

// Drain takes one node out: a new one is ready before it drains, so the size of the service holds. It returns when the
// node is gone. When the new one fails, or ctx ends before it is ready, the old one goes on as if nothing was; once the
// old one drains it does so to the end, whatever ctx does. A node of a static service is marked and emptied, not
// stopped.
func (f *Fleet) Drain(ctx context.Context, id string) error {
	f.mu.Lock()
	s, m, slot := f.find(id)
	if s != nil && s.static() {
		m.State = node.Draining
		f.publish(s)
	}
	f.mu.Unlock()
	var err error
	switch {
	case s == nil:
		err = ErrUnknownNode
	case s.static():
		ctx, cancel := context.WithTimeout(f.killed, s.Service.Drain)
		defer cancel()
		err = f.traffic.Drain(ctx, s.Name, id)
	default:
		err = f.replace(ctx, slot)
	}
	if err != nil {
		return fmt.Errorf("drain node %q: %w", id, err)
	}
	return nil
}

// find returns a node, its service and, when the fleet runs it, its slot. The lock is held.
func (f *Fleet) find(id string) (*service, *member, *slot) {
	for _, s := range f.services {
		i := slices.IndexFunc(s.members, func(m *member) bool { return m.ID == id })
		if i < 0 {
			continue
		}
		m := s.members[i]
		j := slices.IndexFunc(s.slots, func(slot *slot) bool { return slot.member == m })
		if j < 0 {
			return s, m, nil
		}
		return s, m, s.slots[j]
	}
	return nil, nil, nil
}

// replace puts a new slot in the place of an old one: new one ready, then the old one drains, then it is gone.
func (f *Fleet) replace(ctx context.Context, old *slot) error {
	spare, err := f.reserve(old)
	if err != nil {
		return err
	}
	if spare != nil {
		select {
		case err = <-spare.first:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if f.settle(old, spare, err); err != nil {
			return fmt.Errorf("new node: %w", err)
		}
	}
	select {
	case <-old.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the old node still drains: %w", context.Cause(ctx))
	}
}

// reserve makes the slot that is to take the old one's place; none when the old one is leaving already.
func (f *Fleet) reserve(old *slot) (*slot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.phase != running:
		return nil, ErrNotRunning
	case old.leaving:
		return nil, nil
	case old.pinned:
		return nil, ErrBusy
	}
	old.pinned = true
	spare := f.add(old.service)
	spare.spare = true
	f.poke()
	return spare, nil
}

// settle ends a replacement: the new slot counts and the old one goes, or the other way round.
func (f *Fleet) settle(old, spare *slot, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old.pinned = false
	if err != nil {
		f.retire(spare)
	} else {
		spare.spare = false
		f.retire(old)
	}
	f.poke() // the size may have changed meanwhile
}
