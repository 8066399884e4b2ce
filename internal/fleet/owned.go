package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// owned is a service whose nodes the fleet starts and stops with a driver. It has one slot per wanted node.
type owned struct {
	*service
	wake chan struct{} // tells run that wanted and actual size may differ

	// Guarded by core.mu.
	running   bool    // run works: new slots will be launched
	adopted   bool    // a predecessor has done what comes before the first nodes
	failed    int     // service.restarts when this job was made, or when a deploy came before its first node
	beforeErr error   // how the last run of the before command of the first nodes failed; nil while it runs
	slots     []*slot // those that end and spare ones included
}

func newOwned(record *service, s Service) *owned {
	record.form = form{kind: config.Owned, history: history{current: record.newVersion(s)}}
	record.configure(&s.Service)
	record.Metrics.declare(s.Name)
	return &owned{service: record, wake: make(chan struct{}, 1), failed: record.restarts}
}

// run keeps the service at its wanted size until ctx ends. Then all nodes drain and stop at once. It calls giveUp with
// a *StartError when no service of the fleet can start.
func (o *owned) run(ctx context.Context, giveUp context.CancelCauseFunc) {
	var slots sync.WaitGroup
	if o.prepare(ctx, giveUp) {
		slots.Go(func() { o.replaceHung(ctx) })
	}
	for ctx.Err() == nil {
		o.scaleIn()
		o.scaleOut(func(s *slot) {
			s.renew = func() { s.ctx, s.cancel = context.WithCancel(ctx) }
			s.renew()
			slots.Go(func() {
				s.run(giveUp)
				if ctx.Err() != nil {
					o.close() // first: an update must not take the end of the fleet for that of an old node
				}
				o.forget(s)
			})
		})
		select {
		case <-o.wake:
		case <-ctx.Done():
		}
	}
	o.close()
	slots.Wait()
}

// resize sets the wanted size. run does the rest.
func (o *owned) resize(n int) error {
	o.mu.Lock()
	old, err := o.setWanted(n)
	o.mu.Unlock()
	if err != nil {
		return err
	}
	if old != n {
		o.Log.Info("service scales", "service", o.Name, "from", old, "to", n)
		o.wakeRun()
	}
	return nil
}

// awaitStart waits until all wanted nodes are ready.
func (o *owned) awaitStart(ctx context.Context) error {
	patience := time.After(o.startTimeout()) // for other services; nodes have their own
	for {
		o.mu.Lock()
		waitsFor := o.waitsFor
		ready, wanted, exit, changed := o.readySlots(), o.wanted, o.lastExit, o.changed
		failed, before := o.restarts > o.failed, o.beforeErr
		o.mu.Unlock()
		switch {
		case before != nil:
			return before
		case failed:
			return &NodeError{Node: exit.Node, Output: exit.Output, Err: errors.New(exit.Reason)}
		case ready >= wanted:
			return nil
		}
		select {
		case <-changed:
		case <-patience:
			if waitsFor != "" && waitsFor != beforeCommand {
				return fmt.Errorf("it waits for %s, which is not ready", waitsFor)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readySlots counts the slots whose node became ready, or has finished. The lock is held.
func (o *owned) readySlots() (count int) {
	for _, slot := range o.counted() {
		if m := slot.runner.member; m != nil && m.ready || slot.finished {
			count++
		}
	}
	return count
}

// scaleIn retires the slots above the wanted size, in the order of sortCandidates. It leaves out slots that are being
// replaced: when their replacement ends, run scales in again.
func (o *owned) scaleIn() {
	o.mu.Lock()
	counted := o.counted()
	surplus := len(counted) - o.wanted
	candidates := make([]candidate, 0, len(counted))
	for _, slot := range counted {
		if !slot.pinned {
			candidates = append(candidates, newCandidate(slot))
		}
	}
	o.mu.Unlock()
	if surplus <= 0 {
		return
	}
	if t, ok := o.traffic.(interface{ InFlight(id string) int }); ok { // without the lock: the gateway has its own
		for i := range candidates {
			if c := &candidates[i]; c.id != "" {
				c.inFlight = t.InFlight(c.id)
			}
		}
	}
	sortCandidates(candidates)

	o.mu.Lock()
	defer o.mu.Unlock()
	surplus = len(o.counted()) - o.wanted // it may have changed in between
	for _, c := range candidates {
		if surplus > 0 && !c.slot.leaving && !c.slot.pinned {
			o.retire(c.slot)
			surplus--
		}
	}
}

// scaleOut adds slots up to the wanted size and launches the new ones, spare ones included. launch is called with the
// lock held.
func (o *owned) scaleOut(launch func(*slot)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := len(o.counted()); n < o.wanted; n++ {
		o.addSlot(o.current)
	}
	for _, slot := range o.slots {
		if slot.cancel == nil {
			launch(slot)
			if slot.leaving { // its node was adopted while it drains
				slot.cancel()
			}
		}
	}
}

// close ends the slots that were not launched, and lets no new ones in.
func (o *owned) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = false
	for _, slot := range slices.Clone(o.slots) {
		if slot.cancel == nil {
			o.retire(slot)
		}
	}
}

// counted returns the slots that make up the size of the service. The lock is held.
func (o *owned) counted() (counted []*slot) {
	for _, slot := range o.slots {
		if !slot.leaving && !slot.spare && !slot.canary {
			counted = append(counted, slot)
		}
	}
	return counted
}

// addSlot adds a slot for nodes of a version. run is going to launch it. The lock is held.
func (o *owned) addSlot(v *version) *slot {
	slot := newSlot(o.service, v)
	o.slots = append(o.slots, slot)
	return slot
}

// retire ends a slot: its node drains and stops. The lock is held.
func (o *owned) retire(s *slot) {
	switch {
	case s.leaving:
	case s.cancel == nil: // not launched
		o.removeSlot(s)
	default:
		s.leave()
		s.cancel()
	}
}

// forget removes a slot that has ended.
func (o *owned) forget(s *slot) {
	o.mu.Lock()
	o.removeSlot(s)
	running := o.running
	o.mu.Unlock()
	if running { // the end of the service is not the end of a crash loop
		o.updateCrashLoop()
	}
}

// removeSlot removes a slot that has ended or was not launched. The lock is held.
func (o *owned) removeSlot(s *slot) {
	s.leave()
	o.slots = slices.DeleteFunc(o.slots, func(other *slot) bool { return other == s })
	s.report(ErrNotRunning)
	close(s.gone)
	if s.cancel != nil {
		s.cancel()
	}
}

// wakeRun makes run compare the wanted and the actual size.
func (o *owned) wakeRun() {
	select {
	case o.wake <- struct{}{}:
	default: // run is going to look already
	}
}
