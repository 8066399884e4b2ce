package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

// runner runs one node: it starts the node, waits until it is ready, and drains and stops it.
type runner struct {
	*service
	version *version
	adopted Instance               // the node of a predecessor; nil for none: then run starts a node
	life    func() context.Context // of the slot
	id      string
	age     int  // the number in id
	hangs   bool // the node of a predecessor has not answered here

	onReady  func() (stableAfter time.Duration) // called once when the node is ready
	onStable func()                             // called once when it was ready for stableAfter

	member *member // nil while the node does not exist; guarded by core.mu
}

// run returns when the node is gone: nil when ctx ended the node, otherwise how the node failed.
func (r *runner) run(ctx context.Context) error {
	instance, started := r.adopted, time.Now()
	known := r.isReady() // before this process has begun
	if instance == nil {
		var err error
		if instance, err = r.version.driver.Start(ctx, r.spec()); err != nil {
			return err
		}
		r.add(instance)
	}
	defer r.remove()
	await := r.awaitReady
	if known {
		await = r.awaitAnswer
	}
	if err := await(ctx, r.version, r.id, instance); err != nil {
		r.hangs = known && errors.Is(err, errNotReady)
		r.stop(ctx, instance, false)
		return withOutput(err, instance)
	}
	r.markReady()
	stable := time.After(r.onReady())
	if !known {
		r.Log.Info("node ready", "service", r.Name, "node", r.id, "after_ms", time.Since(started).Milliseconds())
	}
	exceeded := exceededBy(instance, r.version.service.Resources.Memory)
	for {
		select {
		case <-stable:
			r.onStable()
		case <-exceeded:
			exceeded = nil
			r.markAbove(overMemory)
		case <-instance.Done():
			return instance.Err()
		case <-ctx.Done():
			if !r.stop(ctx, instance, true) {
				return nil
			}
			ctx = r.life()
		}
	}
}

// spec says how the node is started.
func (r *runner) spec() Spec {
	s := &r.version.service
	return Spec{ID: r.id, Run: s.Run, Dir: s.Dir, Env: r.version.env(r.core, r.id), Limits: r.version.limits(), Serves: !s.Worker}
}

// add publishes the node that was just started.
func (r *runner) add(i Instance) {
	n := node.Node{ID: r.id, Service: r.Name, Address: i.Address(), PID: i.PID(), Started: time.Now(),
		Version: r.version.number}
	if r.version.service.Worker {
		n.State = node.Ready // no probe will change its state
	}
	r.Log.Info("node started", "service", n.Service, "node", n.ID, "address", n.Address, "pid", n.PID)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.member = &member{Node: n, age: r.age}
	r.members = append(r.members, r.member)
	slices.SortFunc(r.members, func(a, b *member) int { return a.age - b.age })
	r.publish()
}

// remove publishes that the node is gone.
func (r *runner) remove() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = slices.DeleteFunc(r.members, func(m *member) bool { return m == r.member })
	r.member = nil
	r.publish()
}

func (r *runner) isReady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.member != nil && r.member.ready
}

func (r *runner) markReady() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.member.ready = true
	r.everReady, r.started = true, true
	r.count()
	r.notify()
}

// markAbove says that the node is above a limit: it is replaced.
func (r *runner) markAbove(limit string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.member.above = limit
	r.notify()
}

// stop lets the node finish its requests and ends it. Both together may take as long as the drain of the service, and
// at least Options.StopGrace; a hung node has less time (stopLimits). Kill ends both at once.
//
// When mayStay is set, the node may be undrained while it drains: then it goes on, and stop returns true.
//
// The gateway hears of the drain twice: by the published set and by Traffic.Drain. The set alone would not say when the
// last request is over. The call alone would do nothing when it overtakes the first set that contains the node.
func (r *runner) stop(ctx context.Context, i Instance, mayStay bool) (stays bool) {
	select {
	case <-i.Done():
		return false
	default:
	}
	if r.isDetached() {
		return false
	}
	log := r.Log.With("service", r.Name, "node", r.id)
	r.mark(r.member, node.Draining)
	limits := r.stopLimits(r.id, r.hangs)
	log.Info("node drains", "drain_ms", limits.drain.Milliseconds())
	begun := time.Now()
	if !r.version.service.Worker && r.drain(ctx, limits.drain, mayStay) {
		return true
	}
	stop, cancel := r.stopContext(ctx, max(limits.total-time.Since(begun), limits.grace))
	defer cancel()
	if err := i.Stop(stop); err != nil {
		log.Error("node does not end", "pid", i.PID(), "err", err)
		return false
	}
	log.Info("node stopped", "exit", i.Err())
	return false
}

// drain waits until the node has no requests, for at most limit. It returns true when the node was undrained.
func (r *runner) drain(ctx context.Context, limit time.Duration, mayStay bool) (undrained bool) {
	ctx, cancel := r.stopContext(ctx, limit)
	defer cancel()
	ctx, keep := context.WithCancelCause(ctx)
	defer keep(nil)
	m := r.member
	if mayStay {
		r.setKeep(m, keep)
	}
	err := r.traffic.Drain(ctx, r.Name, r.id)
	if r.setKeep(m, nil); context.Cause(ctx) == node.ErrUndrained {
		return true
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("node did not drain", "service", r.Name, "node", r.id, "err", err)
	}
	return false
}

func (r *runner) setKeep(m *member, keep context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.keep = keep
}
