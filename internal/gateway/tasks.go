package gateway

import (
	"context"
	"sync"
)

// tasks are the goroutines of a running gateway. Their number changes with the configuration. A task that is added before
// run starts with run.
type tasks struct {
	wake chan struct{} // capacity 1: there are tasks to start

	mu    sync.Mutex
	next  []*task // to be started
	ended bool    // run starts no more tasks
}

// task is a function that works until its context ends.
type task struct {
	work    func(context.Context)
	stopped chan struct{} // closed by stop
	once    sync.Once
	done    chan struct{} // closed when work has returned, or when it will never start
}

func newTasks() tasks { return tasks{wake: make(chan struct{}, 1)} }

// add has run call work. The context of work ends with the one of run, or after stop.
func (ts *tasks) add(work func(context.Context)) *task {
	t := &task{work: work, stopped: make(chan struct{}), done: make(chan struct{})}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.ended {
		close(t.done)
		return t
	}
	ts.next = append(ts.next, t)
	select {
	case ts.wake <- struct{}{}:
	default: // run is going to look already
	}
	return t
}

// run starts the tasks until ctx ends, and returns after all of them.
func (ts *tasks) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		for _, t := range ts.take(false) {
			all.Go(func() { t.run(ctx) })
		}
		select {
		case <-ts.wake:
		case <-ctx.Done():
			for _, t := range ts.take(true) {
				close(t.done)
			}
			return
		}
	}
}

// take returns the tasks to start. After the last call, add accepts no more of them.
func (ts *tasks) take(last bool) []*task {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	next := ts.next
	ts.next, ts.ended = nil, last
	return next
}

func (t *task) run(ctx context.Context) {
	defer close(t.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with work
		select {
		case <-t.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	t.work(ctx)
}

// stop ends the context of the task. It may be called more than once.
func (t *task) stop() { t.once.Do(func() { close(t.stopped) }) }
