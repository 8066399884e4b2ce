package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// remote is a service whose nodes another system starts and stops. The fleet sets their number and publishes them.
type remote struct {
	*service
	system Remote
	wake   chan struct{} // tells run that the wanted size has changed

	// Guarded by core.mu.
	sized bool      // the wanted size was decided, by resize or by the first state
	own   []*member // its part of service.members
}

func newRemote(record *service, s Service) *remote {
	record.form = form{kind: config.Remote}
	record.configure(&s.Service)
	return &remote{service: record, system: s.Remote, wake: make(chan struct{}, 1)}
}

// run publishes the nodes of the system and keeps the system at the wanted size, until ctx ends. Then the system keeps
// its nodes. When the service is removed, they drain and are published no more.
//
// The first state decides the size to begin with: a fleet that starts again does not end nodes that carry load. After
// that, the size of the fleet counts: run sets it again when another client of the system has changed it.
func (r *remote) run(ctx context.Context, _ context.CancelCauseFunc) {
	r.follow(ctx)
	if context.Cause(ctx) != errRemoved {
		return
	}
	r.mu.Lock()
	own := r.own
	r.own = nil
	r.mu.Unlock()
	r.dismiss(ctx, own)
}

// follow does the work of run until ctx ends.
func (r *remote) follow(ctx context.Context) {
	var actual, failures int
	var retry <-chan time.Time
	known := false // a state has arrived
	states := r.system.Watch(ctx)
	for {
		select {
		case state, open := <-states:
			if !open {
				states = nil // ctx has ended
				continue
			}
			actual = state.Wanted
			r.take(state)
			known = true
		case <-r.wake:
		case <-retry:
		case <-ctx.Done():
			return
		}
		retry = nil
		wanted := r.size()
		if !known || wanted == actual {
			continue
		}
		if err := r.system.Scale(ctx, wanted); err != nil {
			if ctx.Err() != nil {
				return
			}
			failures++
			pause := max(r.backoff.pause(failures), r.backoff.min)
			r.Log.Warn("cannot scale service", "service", r.Name, "to", wanted, "err", err, "next_ms", pause.Milliseconds())
			retry = time.After(pause)
			continue
		}
		actual, failures = wanted, 0
	}
}

// take publishes a state of the system. The first state sets the wanted size, too, unless resize did.
func (r *remote) take(state RemoteState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.sized {
		r.sized = true
		r.wanted = min(max(state.Wanted, r.min), r.max)
	}
	others := slices.DeleteFunc(r.members, func(m *member) bool { return slices.Contains(r.own, m) })
	r.own = nil
	for i, n := range state.Nodes {
		n.Service = r.Name
		r.own = append(r.own, &member{Node: n, age: i + 1})
	}
	r.members = append(others, r.own...)
	r.publish()
}

func (r *remote) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wanted
}

// resize sets the wanted size. run passes it to the system.
func (r *remote) resize(n int) error {
	r.mu.Lock()
	old, err := r.setWanted(n)
	r.sized = r.sized || err == nil
	r.mu.Unlock()
	if err != nil || old == n {
		return err
	}
	r.Log.Info("service scales", "service", r.Name, "from", old, "to", n)
	r.wakeRun()
	return nil
}

// wakeRun makes run compare the wanted and the actual size.
func (r *remote) wakeRun() {
	select {
	case r.wake <- struct{}{}:
	default: // run is going to look already
	}
}

// awaitStart waits for the first node that is ready.
func (r *remote) awaitStart(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, slowStart)
	defer cancel()
	for {
		r.mu.Lock()
		own, changed := slices.Clone(r.own), r.changed
		r.mu.Unlock()
		if len(own) > 0 {
			r.awaitAny(soon, own)
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-soon.Done():
			return ctx.Err()
		}
	}
}

// update takes other bounds. What the nodes run is decided by the other system.
func (r *remote) update(_ context.Context, s Service) error {
	if err := r.begin("update"); err != nil {
		return err
	}
	defer r.finish()
	r.mu.Lock()
	r.configure(&s.Service)
	r.mu.Unlock()
	r.wakeRun()
	return nil
}

func (r *remote) restart(context.Context) error              { return ErrRemote }
func (r *remote) drain(context.Context, *member, bool) error { return ErrRemote }
func (r *remote) undrain(*member) error                      { return ErrRemote }
