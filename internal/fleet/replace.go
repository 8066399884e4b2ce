package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

// restart replaces the nodes that the service has now, one by one. It stops at the first new node that fails.
func (o *owned) restart(ctx context.Context) error {
	if !o.isRunning() {
		return ErrNotRunning
	}
	if err := o.begin("restart"); err != nil {
		return err
	}
	defer o.finish()
	old := o.oldest()
	for i, slot := range old {
		if err := o.replace(ctx, slot, nil, 0); err != nil {
			return fmt.Errorf("%d of %d nodes replaced: %w", i, len(old), err)
		}
	}
	return nil
}

// oldest returns the slots of the service, the oldest first.
func (o *owned) oldest() []*slot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counted()
}

func (o *owned) isRunning() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running
}

// drain replaces one node.
func (o *owned) drain(ctx context.Context, m *member, _ bool) error {
	o.mu.Lock()
	i := slices.IndexFunc(o.slots, func(s *slot) bool { return s.runner.member == m })
	var old *slot
	if i >= 0 {
		old = o.slots[i]
	}
	o.mu.Unlock()
	if old == nil {
		return ErrUnknownNode // it has ended in between
	}
	return o.replace(ctx, old, nil, 0)
}

// undrain takes a node back that drains. The service is then above its size, and run ends another node.
func (o *owned) undrain(m *member) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.slots, func(s *slot) bool { return s.runner.member == m })
	switch {
	case i < 0:
		return ErrUnknownNode // it has ended in between
	case m.State != node.Draining:
		return ErrNotDraining
	case !o.running:
		return ErrNotRunning
	case m.keep == nil:
		return ErrEnding
	}
	o.slots[i].stay()
	o.readmit(m)
	o.wakeRun()
	return nil
}

// replace puts a new slot in the place of an old one: the new node is ready, then the old node drains, then it is gone.
// The new node runs the version v; nil means the version of the old one. It must stay ready for the time trial before the
// old node drains.
func (o *owned) replace(ctx context.Context, old *slot, v *version, trial time.Duration) error {
	stays := old.undrained()
	spare, err := o.reserve(old, v)
	if err != nil {
		return err
	}
	if spare != nil {
		select {
		case err = <-spare.first:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil && trial > 0 {
			err = o.try(ctx, spare, trial)
		}
		if o.finishReplacement(old, spare, err); err != nil {
			return err
		}
	}
	select {
	case <-old.gone:
		return nil
	case <-stays:
		return ErrUndrained
	case <-ctx.Done():
		return fmt.Errorf("the old node still drains: %w", context.Cause(ctx))
	}
}

// try waits for a time. It fails when the node of a slot fails in that time.
func (o *owned) try(ctx context.Context, s *slot, trial time.Duration) error {
	over := time.After(trial)
	for {
		o.mu.Lock()
		failures, failure, changed := s.failures, s.failure, o.changed
		o.mu.Unlock()
		if failures > 0 {
			return failure
		}
		select {
		case <-changed:
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reserve makes the slot that replaces the old one. It returns nil when the old one ends already.
func (o *owned) reserve(old *slot, v *version) (*slot, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.running:
		return nil, ErrNotRunning
	case old.leaving:
		return nil, nil
	case old.pinned:
		return nil, ErrBusy
	}
	old.pinned = true
	if v == nil {
		v = old.version
	}
	spare := o.addSlot(v)
	spare.spare = true
	o.wakeRun()
	return spare, nil
}

// finishReplacement ends the old slot when its replacement is ready, and the replacement when that failed.
func (o *owned) finishReplacement(old, spare *slot, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old.pinned = false
	if err != nil {
		o.retire(spare)
	} else {
		spare.spare = false
		o.retire(old)
	}
	o.notify()
	o.wakeRun() // the wanted size may have changed in between
}
