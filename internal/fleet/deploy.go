package fleet

import (
	"context"
	"fmt"
	"math"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Deploy gives a service the version that the configuration says now, also when it says the same as before: the files
// that the command reads may be new. It rolls like Update, is held back like Update, and ends a rollback. The version
// before it is kept for Rollback. Services that tenfold does not start are updated.
func (f *Fleet) Deploy(ctx context.Context, s Service) error {
	err := f.change(s.Name, func(j *job) error {
		if o, ok := j.kind.(*owned); ok && kindOf(s) == config.Owned {
			return o.deploy(ctx, s)
		}
		return f.update(ctx, j, s)
	})
	if err != nil {
		return fmt.Errorf("deploy service %q: %w", s.Name, err)
	}
	return nil
}

// DeployShare starts nodes of the version that the configuration says now, next to the others, and gives them a share of
// the requests. Promote makes it the version of all nodes, and Rollback ends it. During such a deploy, DeployShare
// changes the share. When a new node fails, all new nodes end and DeployShare returns a [*NodeError].
func (f *Fleet) DeployShare(ctx context.Context, s Service, share float64) error {
	err := f.change(s.Name, func(j *job) error {
		o, ok := j.kind.(*owned)
		switch {
		case !ok || kindOf(s) != config.Owned:
			return ErrStatic
		case !(share > 0 && share < 1):
			return fmt.Errorf("share %v: want more than 0%% and less than 100%%", share)
		}
		return o.deployShare(ctx, s, share)
	})
	if err != nil {
		return fmt.Errorf("deploy service %q to a share: %w", s.Name, err)
	}
	return nil
}

// Promote rolls a service to the version that DeployShare has started. It fails with [ErrNoCanary] without one.
func (f *Fleet) Promote(ctx context.Context, service string) error {
	err := f.change(service, func(j *job) error {
		if o, ok := j.kind.(*owned); ok {
			return o.promote(ctx)
		}
		return ErrStatic
	})
	if err != nil {
		return fmt.Errorf("promote service %q: %w", service, err)
	}
	return nil
}

// Rollback ends a deploy to a share. After a deploy that was held back, the service stays at its version, also in later
// updates. Otherwise Rollback rolls a service back to the version before the last deploy, and
// keeps it there until the next one: Update does not undo it. It fails with [ErrNoPrevious] when no version is kept.
func (f *Fleet) Rollback(ctx context.Context, service string) error {
	err := f.change(service, func(j *job) error {
		if o, ok := j.kind.(*owned); ok {
			return o.rollback(ctx)
		}
		return ErrStatic
	})
	if err != nil {
		return fmt.Errorf("roll back service %q: %w", service, err)
	}
	return nil
}

// Running returns a service as it runs: with the settings of its last update, and with the program of its current
// version. The two differ from the configuration after a deploy that was held back and after a rollback. It returns
// false for an unknown service.
func (f *Fleet) Running(service string) (config.Service, bool) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	s := f.core.find(service)
	if s == nil || s.job == nil {
		return config.Service{}, false
	}
	if s.current == nil {
		return *s.settings, true
	}
	return config.WithProgram(s.settings, &s.current.service), true
}

// change calls do with the job of a service.
func (f *Fleet) change(service string, do func(*job) error) error {
	if j := f.find(service); j != nil {
		return do(j)
	}
	return f.unknownService()
}

func (o *owned) deploy(ctx context.Context, s Service) error {
	if err := o.begin("deploy"); err != nil {
		return err
	}
	defer o.finish()
	to, restore, err := o.prepareVersion(s)
	switch {
	case err != nil:
		return err
	case to == nil:
		return o.awaitFirst(ctx)
	}
	return restore(o.rollTo(ctx, to, true))
}

// rollTo runs the before command of a version and rolls to it.
func (o *owned) rollTo(ctx context.Context, to *version, again bool) error {
	if err := o.runBefore(ctx, to, again); err != nil {
		return err
	}
	return o.roll(ctx, to)
}

// awaitFirst waits until the first nodes of the service are ready. It does not wait for other services.
func (o *owned) awaitFirst(ctx context.Context) error {
	o.mu.Lock()
	waits := o.waitsFor != "" && o.waitsFor != beforeCommand
	o.mu.Unlock()
	if waits {
		return nil
	}
	return o.awaitStart(ctx)
}

// prepareVersion takes the settings of a service and makes its next version. It returns nil when no node exists yet:
// the first nodes are of that version. restore brings the former settings back when the roll has failed.
func (o *owned) prepareVersion(s Service) (to *version, restore func(error) error, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.canary; c != nil {
		return nil, nil, fmt.Errorf("%w: version %d gets %g%% of the requests", ErrCanary, c.version.number, c.share*100)
	}
	former := o.settings
	o.configure(&s.Service)
	o.wakeRun()
	to = o.newVersion(s)
	if !o.running {
		o.current, o.rolledBack = to, false
		o.failed, o.beforeErr = o.restarts, nil
		return nil, nil, nil
	}
	return to, func(err error) error {
		if err != nil {
			o.mu.Lock()
			o.configure(former)
			o.heldBack = true
			o.mu.Unlock()
			o.wakeRun()
		}
		return err
	}, nil
}

func (o *owned) rollback(ctx context.Context) error {
	if err := o.begin("rollback"); err != nil {
		return err
	}
	defer o.finish()
	o.mu.Lock()
	canary, to, rolledBack, current := o.canary, o.previous, o.rolledBack, o.current
	heldBack := o.heldBack && canary == nil
	if heldBack {
		o.heldBack, o.rolledBack = false, true
		o.notify()
	}
	o.mu.Unlock()
	switch {
	case canary != nil:
		return o.endCanary(ctx)
	case heldBack:
		o.Log.Info("service stays at its version: the last deploy was held back", "service", o.Name, "version", current.number)
		return nil
	case rolledBack:
		return fmt.Errorf("%w: it was rolled back to version %d already", ErrNoPrevious, current.number)
	case to == nil:
		return fmt.Errorf("%w: there was no deploy since it was started with version %d", ErrNoPrevious, current.number)
	}
	return o.roll(ctx, to)
}

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
