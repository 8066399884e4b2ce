package server

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// part is one part of the running system. run works until its context ends and returns after all its goroutines.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// runParts starts all parts and waits until ctx ends or a part returns an error. Then it stops the parts in the order
// of the list: each one has returned before the context of the next one ends. It returns the errors of all parts.
func runParts(ctx context.Context, parts []part, log *slog.Logger) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running := make([]*runningPart, len(parts))
	for i, p := range parts {
		running[i] = start(ctx, p, fail)
	}
	<-ctx.Done()
	errs := make([]error, len(parts))
	for i, r := range running {
		begun := time.Now()
		errs[i] = r.stop()
		log.Debug("part stopped", "part", parts[i].name, "after_ms", time.Since(begun).Milliseconds(), "err", errs[i])
	}
	return errors.Join(errs...)
}

// runningPart is a part that was started.
type runningPart struct {
	cancel context.CancelFunc
	result chan error
}

// start runs a part until stop is called: the end of ctx does not end it. fail is called when the part returns an
// error.
func start(ctx context.Context, p part, fail context.CancelCauseFunc) *runningPart {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &runningPart{cancel, make(chan error, 1)}
	go func() {
		err := p.run(own)
		if err != nil {
			fail(err)
		}
		r.result <- err
	}()
	return r
}

// stop ends the part and returns its error after it has returned.
func (r *runningPart) stop() error {
	r.cancel()
	return <-r.result
}
