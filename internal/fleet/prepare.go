package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

const beforeCommand = "its before command" // a value of service.waitsFor

// prepare does what comes before the first nodes of a service: it waits for the services of after, then runs the command
// of before until that succeeds. It returns false when ctx ends first. It calls giveUp with a *StartError when no service
// of the fleet can start.
func (o *owned) prepare(ctx context.Context, giveUp context.CancelCauseFunc) bool {
	if o.wasPrepared() {
		if v := o.version(); len(v.service.Before) > 0 {
			o.done(v.digest())
			o.Done(o.Name, v.digest())
		}
		return o.begun(o.version())
	}
	for _, name := range o.config().After {
		o.waitFor(fmt.Sprintf("service %q", name))
		if o.awaitWhole(ctx, name) != nil {
			return false
		}
	}
	for failures := 0; ; {
		o.waitFor("")
		v := o.version()
		if len(v.service.Before) > 0 {
			o.waitFor(beforeCommand)
		}
		err := o.runBefore(ctx, v, false)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			if o.begun(v) {
				return true
			}
			failures = 0 // a deploy has changed the version in between
			continue
		}
		failures++
		if fatal := o.beforeFailed(v, failures, err); fatal != nil {
			giveUp(fatal)
		}
		select {
		case <-time.After(max(o.backoff.pause(failures), o.backoff.min)):
		case <-o.wake: // the version may be another one
		case <-ctx.Done():
			return false
		}
		o.failedBefore(nil)
	}
}

// awaitWhole waits until a service is whole, or not part of the fleet any more. It fails when ctx ends first.
func (c *core) awaitWhole(ctx context.Context, name string) error {
	logged := false
	for {
		c.mu.Lock()
		s, changed := c.find(name), c.changed
		gone := s == nil || s.job == nil
		owned := !gone && s.kind == config.Owned
		whole := gone || owned && s.whole()
		var members []*member
		if !gone && !owned {
			members = s.members[:len(s.members):len(s.members)]
		}
		c.mu.Unlock()
		if !whole && !logged {
			c.Log.Info("waiting for a service", "service", name)
			logged = true
		}
		switch {
		case whole || len(members) > 0 && s.awaitAny(ctx, members):
			return nil
		case len(members) > 0 && ctx.Err() == nil:
			continue // the nodes run elsewhere: only asking them again tells
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (o *owned) waitFor(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waitsFor != what {
		o.waitsFor = what
		o.notify()
	}
}

func (o *owned) wasPrepared() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.adopted
}

func (o *owned) version() *version {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.current
}

// begun lets nodes of a version start. It returns false when that is not the current version any more.
func (o *owned) begun(v *version) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != v {
		return false
	}
	o.running, o.waitsFor = true, ""
	o.notify()
	return true
}

// failedBefore records how the command of before failed; nil while it runs.
func (o *owned) failedBefore(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beforeErr = err
	o.notify()
}

// beforeFailed records and logs that the command of before failed. It returns a *StartError when no service of the fleet
// can start.
func (o *owned) beforeFailed(v *version, failures int, err error) error {
	o.failedBefore(err)
	o.Log.Error("before command failed: no node starts", "service", o.Name, "err", err, "failures", failures)
	if failures < startTries && !errors.Is(err, ErrNotRunnable) || !errors.As(err, new(*CommandError)) {
		return nil
	}
	return o.cannotStart(&StartError{
		Service: o.Name, Command: v.service.Before, Dir: v.service.Dir, Tries: failures, Output: lastOutput(err), Err: err, Before: true,
	})
}
