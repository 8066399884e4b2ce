package fleet

import (
	"context"
	"fmt"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Deploy gives a service the version of the configuration, also when it is the same as before: the files that the
// command reads may be new. It rolls like Update, is held back like Update, and ends a rollback. The version
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

// DeployShare starts nodes of the version of the configuration, next to the others, and gives them a share of
// the requests. Promote makes it the version of all nodes, and Rollback ends it. During such a deploy, DeployShare
// changes the share. When a new node fails, all new nodes end and DeployShare returns a [*NodeError].
func (f *Fleet) DeployShare(ctx context.Context, s Service, share float64) error {
	err := f.change(s.Name, func(j *job) error {
		o, ok := j.kind.(*owned)
		switch {
		case !ok || kindOf(s) != config.Owned:
			return ErrStatic
		case s.Worker:
			return ErrWorker
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
