// Package lease runs a task once for all tenfolds that share a store.
//
// One tenfold at a time has the lease of a task. It renews the lease while the task runs. When it ends, the lease ends and
// another tenfold may run the task. Each lease has a fence: a number that rises. A tenfold that was stopped for longer than
// its lease cannot record its result any more, and its task is cancelled.
//
// What was done counts for a version of the task, as long as a tenfold that has the version is alive and for a minute after
// that. So tenfolds that start or deploy one after the other do not repeat it, and a fleet that starts anew does.
package lease

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

//go:embed lease.lua
var leaseLua string

// script is not retryable: a second "take" would find the lease of the first one.
var script = redisscript.New(redisscript.Now, leaseLua)

// ErrLost ends a task whose lease has ended: the tenfold was stopped, or did not reach the store, for too long.
var ErrLost = errors.New("the right to run it alone was lost: the store did not answer for too long, or another tenfold has it now")

// Store has the client of the shared store.
type Store interface {
	// Client returns an error when the store does not answer.
	Client() (rueidis.Client, error)
}

// Options tune Tasks. Zero fields mean their defaults.
type Options struct {
	Log      *slog.Logger  // default: discard
	Lease    time.Duration // how long a lease lasts after its last renewal; default 30s
	Presence time.Duration // how long a version counts after its last tenfold was seen; default 1m
}

// Tasks are the tasks that this tenfold shares with others. Its methods may be called concurrently.
type Tasks struct {
	options Options
	store   Store
	who     string

	mu   sync.Mutex
	done map[string]string // the version that this tenfold has, by the name of the task
}

// New returns Tasks without any.
func New(store Store, o *Options) *Tasks {
	t := &Tasks{store: store, who: rand.Text(), done: map[string]string{}}
	if o != nil {
		t.options = *o
	}
	t.options.Log = cmp.Or(t.options.Log, slog.New(slog.DiscardHandler))
	t.options.Lease = cmp.Or(t.options.Lease, 30*time.Second)
	t.options.Presence = cmp.Or(t.options.Presence, time.Minute)
	return t
}

// Once calls do, unless another tenfold has done the same version of the task. While another tenfold runs the task, in
// any version, Once waits. With again, only what is done after the call of Once counts. The context of do ends with the
// lease, with [ErrLost] as its cause. Once fails when do fails, when ctx ends, and when the store does not answer.
func (t *Tasks) Once(ctx context.Context, name, version string, again bool, do func(ctx context.Context, fence int64) error) error {
	since := int64(0)
	waited := false
	for {
		g, err := t.take(ctx, name, version, since)
		switch {
		case err != nil:
			return fmt.Errorf("ask the store whether another tenfold runs it: %w", err)
		case again && since == 0 && g.state != stateRun:
			since = g.now // what was done before does not count
			continue
		case g.state == stateDone:
			t.Have(name, version)
			return nil
		case g.state == stateRun:
			return t.run(ctx, name, version, g.fence, do)
		}
		if !waited {
			t.options.Log.Info("waiting: another tenfold runs a task", "task", name)
			waited = true
		}
		select {
		case <-time.After(min(time.Duration(g.left)*time.Millisecond, t.options.Lease/30) + time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// run calls do while the lease is renewed.
func (t *Tasks) run(ctx context.Context, name, version string, fence int64, do func(context.Context, int64) error) error {
	own, cancel := context.WithCancelCause(ctx)
	var renewals sync.WaitGroup
	renewals.Go(func() { t.renew(own, cancel, name, version, fence) })
	err := do(own, fence)
	lost := errors.Is(context.Cause(own), ErrLost)
	cancel(nil)
	renewals.Wait()
	if lost {
		return errors.Join(ErrLost, err)
	}
	last := []string{"give", t.who, version, integer(fence)}
	if err == nil {
		last = []string{"finish", t.who, version, integer(fence), milliseconds(t.options.Presence)}
	}
	held, storeErr := t.ask(context.WithoutCancel(ctx), name, last...)
	switch {
	case err != nil:
		return err
	case storeErr != nil:
		t.options.Log.Warn("the store was not told that a task is done: another tenfold may run it again", "task", name, "err", storeErr)
	case !held:
		return ErrLost
	}
	t.Have(name, version)
	return nil
}

// renew renews the lease until ctx ends. It ends the task when the lease is lost, or may be.
func (t *Tasks) renew(ctx context.Context, end context.CancelCauseFunc, name, version string, fence int64) {
	until := time.Now().Add(t.safely())
	for {
		select {
		case <-time.After(t.options.Lease / 6):
		case <-time.After(time.Until(until)):
			end(ErrLost)
			return
		case <-ctx.Done():
			return
		}
		asked := time.Now()
		held, err := t.ask(ctx, name, "renew", t.who, version, integer(fence), milliseconds(t.options.Lease))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && held:
			until = asked.Add(t.safely())
		case err == nil:
			end(ErrLost)
			return
		}
	}
}

// safely is how long a task may run after a renewal was asked for. The rest of the lease is for its end.
func (t *Tasks) safely() time.Duration { return t.options.Lease * 3 / 4 }

// Run keeps the record of what this tenfold has until ctx ends. Then it takes the record back: a fleet that starts anew
// does its tasks again.
func (t *Tasks) Run(ctx context.Context) error {
	for {
		select {
		case <-time.After(t.options.Presence / 3):
			t.forEach(ctx, "stay", milliseconds(t.options.Presence))
		case <-ctx.Done():
			t.forEach(context.WithoutCancel(ctx), "leave")
			return nil
		}
	}
}

// forEach runs an operation for each version that this tenfold has. The store may not answer: then the record ends.
func (t *Tasks) forEach(ctx context.Context, operation string, args ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, version := range t.done {
		if _, err := t.ask(ctx, name, append([]string{operation, t.who, version}, args...)...); err != nil {
			t.options.Log.Debug("record of a task not changed", "task", name, "err", err)
		}
	}
}

// Have says that this tenfold has a version of a task, which its predecessor has done.
func (t *Tasks) Have(name, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[name] = version
}

// grant is the answer to a request for a lease.
type grant struct {
	state string
	fence int64 // of stateRun
	left  int64 // of stateWait: milliseconds until the other lease ends
	now   int64 // the clock of the store
}

// The states of a grant.
const (
	stateRun  = "run"  // this tenfold has the lease
	stateDone = "done" // the version is done
	stateWait = "wait" // another tenfold has the lease
)

func (t *Tasks) take(ctx context.Context, name, version string, since int64) (g grant, err error) {
	result, err := t.call(ctx, name, "take", t.who, version, integer(since), milliseconds(t.options.Lease), milliseconds(t.options.Presence))
	if err != nil {
		return grant{}, err
	}
	fields, err := result.ToArray()
	if err != nil || len(fields) != 3 {
		return grant{}, errors.Join(errors.New("unexpected answer of the store"), err)
	}
	var n int64
	g.state, _ = fields[0].ToString()
	if n, err = fields[1].AsInt64(); err != nil {
		return grant{}, err
	}
	g.fence, g.left = n, n
	g.now, err = fields[2].AsInt64()
	return g, err
}

// ask runs an operation on a lease. It returns false when the lease is lost.
func (t *Tasks) ask(ctx context.Context, name string, args ...string) (bool, error) {
	result, err := t.call(ctx, name, args...)
	if err != nil {
		return false, err
	}
	n, err := result.AsInt64()
	return n == 1, err
}

// storePatience is how long one answer of the store may take.
const storePatience = 5 * time.Second

func (t *Tasks) call(ctx context.Context, name string, args ...string) (*rueidis.RedisMessage, error) {
	client, err := t.store.Client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, min(storePatience, t.options.Lease/6))
	defer cancel()
	m, err := script.Run(ctx, client, []string{"tenfold:task:" + name}, args...).ToMessage()
	return &m, err
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }

func milliseconds(d time.Duration) string { return integer(d.Milliseconds()) }
