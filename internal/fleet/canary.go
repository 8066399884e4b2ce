package fleet

import (
	"context"
	"fmt"
	"math"

	"github.com/tenfold-go/tenfold/internal/config"
)

// deployShare starts a canary, or changes the share of the one that runs.
func (o *owned) deployShare(ctx context.Context, s Service, share float64) error {
	if err := o.begin("deploy"); err != nil {
		return err
	}
	defer o.finish()
	begun, to, err := o.beginCanary(s)
	if err != nil {
		return err
	}
	if begun {
		if err := o.runBefore(ctx, to, true); err != nil {
			return err
		}
	}
	o.setCanary(to, share)
	if err := o.awaitCanary(ctx); err != nil {
		if begun {
			o.endCanary(context.WithoutCancel(ctx))
			o.mu.Lock()
			o.heldBack = true
			o.mu.Unlock()
		}
		return err
	}
	return nil
}

// beginCanary makes the version of a canary. It returns false with that of the canary that runs already.
func (o *owned) beginCanary(s Service) (begun bool, v *version, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch c := o.canary; {
	case !o.running:
		return false, nil, ErrNotRunning
	case c == nil:
		return true, o.newVersion(s), nil
	case !config.SameProgram(&c.version.service, &s.Service):
		return false, nil, fmt.Errorf("%w: version %d gets %g%% of the requests, and the file has changed since",
			ErrCanary, c.version.number, c.share*100)
	default:
		return false, c.version, nil
	}
}

// setCanary gives a version a share of the requests, and has as many slots for its nodes as that share needs.
func (o *owned) setCanary(v *version, share float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.canary = &canary{version: v, share: share}
	slots := o.canarySlots()
	needed := max(1, int(math.Ceil(share*float64(o.wanted))))
	for n := len(slots); n < needed; n++ {
		o.addSlot(v).canary = true
	}
	for _, slot := range slots[min(needed, len(slots)):] {
		o.retire(slot)
	}
	o.publish()
	o.wakeRun()
	o.Log.Info("service has a canary", "service", o.Name, "version", v.number, "share", share, "nodes", needed)
}

// awaitCanary waits until all nodes of the canary are ready. It fails when one of them fails.
func (o *owned) awaitCanary(ctx context.Context) error {
	for {
		o.mu.Lock()
		slots, running, changed := o.canarySlots(), o.running, o.changed
		ready := 0
		var failure *NodeError
		for _, slot := range slots {
			if m := slot.runner.member; m != nil && m.ready {
				ready++
			}
			if slot.failures > 0 {
				failure = slot.failure
			}
		}
		o.mu.Unlock()
		switch {
		case !running:
			return ErrNotRunning
		case failure != nil:
			return failure
		case ready == len(slots):
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// endCanary gives all requests to the other nodes and drains those of the canary. It returns when they are gone.
func (o *owned) endCanary(ctx context.Context) error {
	o.mu.Lock()
	o.Log.Info("service has no canary any more", "service", o.Name, "version", o.canary.version.number)
	slots := o.canarySlots()
	o.canary = nil
	o.publish()
	for _, slot := range slots {
		o.retire(slot)
	}
	o.mu.Unlock()
	for _, slot := range slots {
		select {
		case <-slot.gone:
		case <-ctx.Done():
			return fmt.Errorf("nodes of the version still drain: %w", context.Cause(ctx))
		}
	}
	return nil
}

// promote makes the version of the canary that of all nodes. Its nodes are ready already: each of them takes the place of
// an old one.
func (o *owned) promote(ctx context.Context) error {
	if err := o.begin("deploy"); err != nil {
		return err
	}
	defer o.finish()
	o.mu.Lock()
	canary := o.canary
	o.mu.Unlock()
	if canary == nil {
		return ErrNoCanary
	}
	if err := o.awaitCanary(ctx); err != nil {
		return err
	}
	o.mergeCanary()
	return o.roll(ctx, canary.version)
}

// mergeCanary makes the slots of the canary ordinary ones and retires as many old ones.
func (o *owned) mergeCanary() {
	o.mu.Lock()
	defer o.mu.Unlock()
	old, slots := o.counted(), o.canarySlots()
	for i, slot := range slots {
		slot.canary = false
		if i < len(old) && !old[i].pinned {
			o.retire(old[i])
		}
	}
	o.configure(&o.canary.version.service)
	o.canary = nil
	o.publish()
	o.wakeRun() // the wanted size may have changed in between
}

// canarySlots returns the slots of the canary that do not end. The lock is held.
func (o *owned) canarySlots() (all []*slot) {
	for _, slot := range o.slots {
		if slot.canary && !slot.leaving {
			all = append(all, slot)
		}
	}
	return all
}
