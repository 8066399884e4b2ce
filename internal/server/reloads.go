package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/status"
)

// ErrNoFile refuses a reload when nothing can be read again.
var ErrNoFile error = &ConfigError{
	errors.New("this tenfold runs a command line or standard input, which cannot be read again"),
	"put the services into a file, and start with: tenfold up -f FILE",
}

// HeldBackError is the error of a reload that is done except for some services: their new nodes do not get ready, and their
// old nodes go on serving.
type HeldBackError struct{ Services []string }

func (e *HeldBackError) Error() string {
	return fmt.Sprintf("reloaded, but held back: %s", quoted(e.Services))
}

// Hint returns the next step.
func (e *HeldBackError) Hint() string {
	return "the old nodes go on serving; correct the service and reload again"
}

func quoted(names []string) (list string) {
	for i, name := range names {
		if i > 0 {
			list += ", "
		}
		list += fmt.Sprintf("%q", name)
	}
	return list
}

// reloads runs one reload after the other.
type reloads struct {
	requests chan reloadRequest
	ended    chan struct{} // closed when run has returned
}

type reloadRequest struct {
	do     func(context.Context, *reload) error
	result chan reloadResult // capacity 1
}

type reloadResult struct {
	*status.Reload
	err error
}

func newReloads() reloads {
	return reloads{requests: make(chan reloadRequest), ended: make(chan struct{})}
}

// Reload reads the file again and makes it run. It checks and builds all of it first, and starts the nodes of new
// services. After any problem, the running configuration stays in use, and Reload returns all problems as [config.Problems]. It
// returns a [*HeldBackError] when the nodes of a service could not be replaced. Reloads run one after the other; ctx
// limits how long a reload waits for its turn. by is the caller, for the log.
func (s *Server) Reload(ctx context.Context, by string) (*status.Reload, error) {
	if s.load == nil {
		return nil, ErrNoFile
	}
	end, err := s.operations.begin("reload")
	if err != nil {
		s.log.Warn("reload refused", "by", by, "err", err)
		return nil, err
	}
	defer end()
	s.notifier.Reloading("reloading")
	defer s.notifier.Ready("serving")
	return s.oneByOne(ctx, func(ctx context.Context, r *reload) error {
		begun := time.Now()
		err := r.run(ctx)
		r.finish(err)
		r.report(by, time.Since(begun), err)
		return err
	})
}

// oneByOne calls do when no other reload works.
func (s *Server) oneByOne(ctx context.Context, do func(context.Context, *reload) error) (*status.Reload, error) {
	q := reloadRequest{do, make(chan reloadResult, 1)}
	select {
	case s.reloads.requests <- q:
	case <-s.reloads.ended:
		return nil, fleet.ErrNotRunning
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r := <-q.result
	return r.Reload, r.err
}

// runReloads runs the requested reloads until ctx ends, and waits for the drains of removed services.
func (s *Server) runReloads(ctx context.Context) error {
	defer close(s.reloads.ended)
	var removals sync.WaitGroup
	defer removals.Wait()
	for {
		select {
		case q := <-s.reloads.requests:
			r := s.newReload(&removals)
			err := q.do(ctx, r)
			r.finish(err)
			q.result <- reloadResult{r.result, err}
		case <-ctx.Done():
			return nil
		}
	}
}

// Diff returns what Reload would do.
func (s *Server) Diff() (*status.Reload, error) {
	if s.load == nil {
		return nil, ErrNoFile
	}
	r := s.newReload(nil)
	err := r.read()
	r.finish(err)
	return r.result, err
}
