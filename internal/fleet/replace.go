package fleet

import (
	"context"
	"fmt"
	"slices"
)

// restart replaces the nodes that the service has now, one by one. It stops at the first new node that fails.
func (o *owned) restart(ctx context.Context) error {
	old, err := o.beginRestart()
	if err != nil {
		return err
	}
	defer o.endRestart()
	for i, slot := range old {
		if err := o.replace(ctx, slot); err != nil {
			return fmt.Errorf("%d of %d nodes replaced: %w", i, len(old), err)
		}
	}
	return nil
}

// beginRestart returns the slots to replace, the oldest first. Until endRestart, another restart fails with ErrBusy.
func (o *owned) beginRestart() ([]*slot, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.running:
		return nil, ErrNotRunning
	case o.restarting:
		return nil, ErrBusy
	}
	o.restarting = true
	o.notify()
	return o.counted(), nil
}

func (o *owned) endRestart() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.restarting = false
	o.notify()
}

// drain replaces one node.
func (o *owned) drain(ctx context.Context, m *member) error {
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
	return o.replace(ctx, old)
}

// replace puts a new slot in the place of an old one: the new node is ready, then the old node drains, then it is gone.
func (o *owned) replace(ctx context.Context, old *slot) error {
	spare, err := o.reserve(old)
	if err != nil {
		return err
	}
	if spare != nil {
		select {
		case err = <-spare.first:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if o.finishReplacement(old, spare, err); err != nil {
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

// reserve makes the slot that replaces the old one. It returns nil when the old one ends already.
func (o *owned) reserve(old *slot) (*slot, error) {
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
	spare := o.addSlot()
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
	o.wakeRun() // the wanted size may have changed in between
}
