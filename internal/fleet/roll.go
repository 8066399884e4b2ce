package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// update takes other bounds and settings, and rolls to a new version when what the nodes run has changed.
func (o *owned) update(ctx context.Context, s Service) error {
	if err := o.begin("update"); err != nil {
		return err
	}
	defer o.finish()
	if same, err := o.reconfigure(&s.Service); same || err != nil {
		return err
	}
	to, restore, err := o.prepareVersion(s)
	if err != nil || to == nil {
		return err
	}
	return restore(o.rollTo(ctx, to, false))
}

// reconfigure takes other bounds and settings, unless a roll follows. It reports whether the nodes already run the
// version of the service. It fails after a rollback, and while a canary runs, when they do not: only a deploy gives the
// service another version then.
func (o *owned) reconfigure(s *config.Service) (same bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	same = config.SameProgram(&o.current.service, s)
	if !same && o.canary == nil && !o.rolledBack {
		return false, nil
	}
	o.configure(s)
	o.wakeRun()
	switch {
	case same:
		o.rolledBack, o.heldBack = false, false
		return true, nil
	case o.canary != nil:
		if config.SameProgram(&o.canary.version.service, s) {
			return true, nil
		}
		return false, fmt.Errorf("%w: version %d gets %g%% of the requests", ErrCanary, o.canary.version.number, o.canary.share*100)
	}
	return false, fmt.Errorf("%w: it stays at version %d until the next deploy", ErrRolledBack, o.current.number)
}

// roll replaces all nodes by nodes of another version, one by one, the oldest first. The new version becomes the
// current one when no other node is left. When a new node fails, or ctx ends, the nodes that were replaced already are
// replaced by nodes of the current version again.
func (o *owned) roll(ctx context.Context, to *version) error {
	begun := time.Now()
	o.Log.Info("service changes its version", "service", o.Name, "version", to.number)
	if err := o.replaceOutdated(ctx, to); err != nil {
		o.Log.Warn("new version is held back", "service", o.Name, "version", to.number, "err", err)
		o.goBack(context.WithoutCancel(ctx), to)
		return err
	}
	o.Log.Info("service has changed its version", "service", o.Name, "version", to.number,
		"after_ms", time.Since(begun).Milliseconds())
	return nil
}

// replaceOutdated does the work of roll until all nodes are of a version, or a node of it fails.
func (o *owned) replaceOutdated(ctx context.Context, to *version) error {
	trial := stableMin // a version whose first node ends soon after it was ready costs no other node
	for {
		if err := o.failedSlot(to); err != nil {
			return err
		}
		old, err := o.nextOutdated(ctx, to)
		if err != nil || old == nil {
			return err
		}
		err = o.replace(ctx, old, to, trial)
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrUndrained) {
			return err // the other two: a drain replaces the same node, or an undrain keeps it
		}
		trial = 0
	}
}

// nextOutdated returns the next slot that has to be replaced until all have a version. When none is left, it makes that
// version the current one and returns nil. It waits while a drain replaces the last ones.
func (o *owned) nextOutdated(ctx context.Context, to *version) (*slot, error) {
	for {
		o.mu.Lock()
		old, waits := o.outdated(to)
		running, changed := o.running, o.changed
		if running && old == nil && !waits && o.current != to {
			o.adopt(to)
			o.notify()
		}
		o.mu.Unlock()
		switch {
		case !running:
			return nil, ErrNotRunning
		case !waits:
			return old, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// outdated returns the oldest slot of another version than v. waits is true when all of these are being replaced
// already. The lock is held.
func (o *owned) outdated(v *version) (old *slot, waits bool) {
	for _, slot := range o.counted() {
		switch {
		case slot.version == v:
		case !slot.pinned:
			return slot, false
		default:
			waits = true
		}
	}
	return nil, waits
}

// failedSlot returns how a node of a version failed after it was ready. It returns nil when none did.
func (o *owned) failedSlot(v *version) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, slot := range o.counted() {
		if slot.version == v && slot.failures > 0 {
			return slot.failure
		}
	}
	return nil
}

// goBack replaces the nodes of a version that was held back by nodes of the current one. A node that cannot be replaced
// keeps running, and its next node is of the current version.
func (o *owned) goBack(ctx context.Context, from *version) {
	o.mu.Lock()
	current := o.current
	o.mu.Unlock()
	for {
		slot, err := o.nextOutdated(ctx, current)
		if err != nil || slot == nil {
			return
		}
		if err := o.replace(ctx, slot, current, 0); err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrNotRunning) {
			o.Log.Error("node keeps the version that was held back", "service", o.Name, "version", from.number, "err", err)
			o.mu.Lock()
			slot.version = current
			o.mu.Unlock()
		}
	}
}
