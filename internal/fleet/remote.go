package fleet

import (
	"context"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// remote is a service whose nodes another system starts and stops. The fleet sets their number and publishes them.
type remote struct {
	*service
	system Remote
	wake   chan struct{} // tells run that the wanted size has changed

	sized bool // the wanted size was decided, by resize or by the first state; guarded by core.mu
}

func newRemote(c *core, s config.Service, system Remote) *remote {
	return &remote{
		service: newService(c, s, config.Remote, s.MinNodes, s.MaxNodes),
		system:  system, wake: make(chan struct{}, 1),
	}
}

// run publishes the nodes of the system and keeps the system at the wanted size, until ctx ends. Then the nodes stay.
//
// The first state decides the size to begin with: a fleet that starts again does not end nodes that carry load. After
// that, the size of the fleet counts: run sets it again when another client of the system has changed it.
func (r *remote) run(ctx context.Context, _ context.CancelCauseFunc) {
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
			r.update(state)
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

// update publishes a state of the system. The first state sets the wanted size, too, unless resize did.
func (r *remote) update(state RemoteState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.sized {
		r.sized = true
		r.wanted = min(max(state.Wanted, r.min), r.max)
	}
	r.members = r.members[:0:0]
	for i, n := range state.Nodes {
		n.Service = r.Name
		r.members = append(r.members, &member{Node: n, age: i + 1})
	}
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
	select {
	case r.wake <- struct{}{}:
	default: // run is going to look already
	}
	return nil
}

func (r *remote) restart(context.Context) error        { return ErrRemote }
func (r *remote) drain(context.Context, *member) error { return ErrRemote }
