package fleet

import (
	"context"
	"errors"
	"slices"
)

// job is a service at work, as one kind. A service has one current job. While it changes its kind, or is added again
// during its removal, an old job drains its nodes next to the current one.
type job struct {
	kind
	done chan struct{} // closed when the job has ended

	cancel context.CancelCauseFunc // nil until Run launches the job; guarded by core.mu
}

// errRemoved ends the context of a job whose nodes have to go. At the end of Run the cause is another one: then the
// nodes of listed and remote services stay published.
var errRemoved = errors.New("the service is removed")

// enqueue makes a job of k, which Run launches, and makes it the current job of its service. The lock is held.
func (f *Fleet) enqueue(k kind) *job {
	j := &job{kind: k, done: make(chan struct{})}
	k.record().job = j
	f.starting = append(f.starting, j)
	select {
	case f.wake <- struct{}{}:
	default: // Run is going to look already
	}
	return j
}

// launch starts the jobs that wait for it. run is called with the lock held.
func (f *Fleet) launch(ctx context.Context, run func(context.Context, *job)) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	for _, j := range f.starting {
		ctx, cancel := context.WithCancelCause(ctx)
		j.cancel = cancel
		run(ctx, j)
	}
	f.starting = nil
}

// end makes a job drain its nodes and end. The job closes done after that. The lock is held.
func (f *Fleet) end(j *job) {
	if j.cancel != nil {
		j.cancel(errRemoved)
		return
	}
	f.starting = slices.DeleteFunc(f.starting, func(other *job) bool { return other == j })
	f.ended(j)
}

// ended forgets a job, and its service unless that has another one. The lock is held.
func (f *Fleet) ended(j *job) {
	if s := j.record(); s.job == nil && len(s.members) == 0 {
		f.core.forget(s)
	}
	close(j.done)
}

// close refuses further jobs and ends those that were not launched.
func (f *Fleet) close() {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	f.closed = true
	for _, j := range f.starting {
		close(j.done)
	}
	f.starting = nil
}

// await waits until a job has ended.
func (j *job) await(ctx context.Context) error {
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
