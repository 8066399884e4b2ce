package fleet

import (
	"context"
	"slices"
	"time"
)

// hungReporter is a Traffic that finds hung nodes.
type hungReporter interface {
	// Hung returns why a node is hung, in one word: "probe" when the node fails its probes. It returns "" for any other node.
	Hung(service, id string) (reason string)
	// Changed returns a channel that is closed at the next change of what Hung returns.
	Changed() <-chan struct{}
}

const (
	hungDrain = 4 * time.Second // how long the requests of a hung node may finish
	hungStop  = 5 * time.Second // after which a hung node gets SIGKILL, its drain included

	hungByProbe   = "probe"  // it fails its probes, so it serves nothing
	overMemory    = "memory" // it uses more memory than its limit, and works
	calm          = 5        // for how many times ReplaceAfter a service without hung nodes is calm
	maxHungPauses = 4        // after that many tries the pause does not grow any more
)

// condition is a wanted node and what is wrong with it.
type condition struct {
	id     string
	reason string // why it has to be replaced; "" when it works
	busy   bool   // it is being replaced already
}

// replacements is what happened to the hung nodes of a service until now.
type replacements struct {
	tries  int       // replacements since the service was calm
	failed bool      // the replacement of the last try did not get ready
	last   time.Time // end of the last try
	whole  time.Time // since when no node has been hung; zero while one is
}

// order is what to do about the hung nodes of a service now.
type order struct {
	id, reason string        // the node to replace; "" for none
	first      bool          // end it before its replacement is ready
	wait       time.Duration // decide again after this time; 0 for: at the next change
}

// decideReplacement chooses the hung node that is replaced next. after is config.Service.ReplaceAfter.
//
// While another node works, hung nodes are replaced without a pause. When all nodes hang together, the cause is probably
// somewhere else: then, and after a replacement that did not get ready, each try waits longer than the one before.
func decideReplacement(now time.Time, after time.Duration, r replacements, nodes []condition) order {
	hung := slices.DeleteFunc(slices.Clone(nodes), func(c condition) bool { return c.reason == "" })
	if len(hung) == 0 || slices.ContainsFunc(nodes, func(c condition) bool { return c.busy }) {
		return order{}
	}
	all := len(hung) == len(nodes)
	if r.tries > 0 && (all || r.failed) {
		pause := after << (min(r.tries, maxHungPauses) - 1)
		if wait := r.last.Add(pause).Sub(now); wait > 0 {
			return order{wait: wait}
		}
	}
	next := hung[0]
	return order{id: next.id, reason: next.reason,
		first: r.failed && next.reason == hungByProbe && (!all || len(nodes) == 1)}
}

// look updates the record with what is wrong with the nodes now.
func (r *replacements) look(now time.Time, after time.Duration, nodes []condition) {
	switch {
	case slices.ContainsFunc(nodes, func(c condition) bool { return c.reason != "" }):
		r.whole = time.Time{}
	case r.whole.IsZero():
		r.whole = now
	case now.Sub(r.whole) >= calm*after:
		*r = replacements{whole: r.whole}
	}
}

// replaceHung replaces the hung nodes of the service, one at a time, until ctx ends.
func (o *owned) replaceHung(ctx context.Context) {
	var r replacements
	for ctx.Err() == nil && !o.isDetached() { // a successor replaces them
		changed, traffic := o.changes()
		after := o.hungAfter()
		nodes := o.conditions()
		r.look(time.Now(), after, nodes)
		next := decideReplacement(time.Now(), after, r, nodes)
		if next.id != "" {
			if done, err := o.replaceNode(ctx, next); done {
				r.tries, r.failed, r.last = r.tries+1, err != nil, time.Now()
				continue
			}
		}
		var timer <-chan time.Time
		if next.wait > 0 {
			timer = time.After(next.wait)
		}
		select {
		case <-changed:
		case <-traffic:
		case <-timer:
		case <-ctx.Done():
		}
	}
}

// changes returns channels that are closed at the next change of the fleet and of the traffic.
func (o *owned) changes() (fleet, traffic <-chan struct{}) {
	if t, ok := o.traffic.(hungReporter); ok && !o.config().Worker {
		traffic = t.Changed()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed, traffic
}

// hungAfter is the time on which the pauses are based.
func (o *owned) hungAfter() time.Duration {
	if after := o.config().ReplaceAfter; after > 0 {
		return after
	}
	return time.Minute // replace_after is off; nodes above their memory limit are replaced all the same
}

// conditions returns what is wrong with the wanted nodes. A node that was never ready has its start timeout.
func (o *owned) conditions() []condition {
	o.mu.Lock()
	var all []condition
	for _, s := range o.counted() {
		c := condition{id: s.runner.id, busy: s.pinned || o.operation != ""}
		if m := s.runner.member; m != nil && m.ready {
			c.reason = m.above
		} else {
			c.id = ""
		}
		all = append(all, c)
	}
	o.mu.Unlock()
	for i := range all { // without the lock: the gateway has its own
		if c := &all[i]; c.id != "" {
			if reason := o.hung(c.id); reason != "" {
				c.reason = reason
			}
		}
	}
	return all
}

// hung asks the traffic why a node is hung.
func (s *service) hung(id string) string {
	if t, ok := s.traffic.(hungReporter); ok && !s.config().Worker {
		return t.Hung(s.Name, id)
	}
	return ""
}

// replaceNode replaces a node as ordered. done is false when nothing was tried, because the node has ended or is being
// replaced already.
func (o *owned) replaceNode(ctx context.Context, next order) (done bool, err error) {
	o.mu.Lock()
	i := slices.IndexFunc(o.slots, func(s *slot) bool { return s.runner.id == next.id })
	if i < 0 || !o.running || o.slots[i].pinned || o.slots[i].leaving {
		o.mu.Unlock()
		return false, nil
	}
	old := o.slots[i]
	if next.first {
		o.retire(old)
		o.wakeRun()
	}
	o.mu.Unlock()
	log, begun := o.Log.With("service", o.Name, "node", next.id, "why", next.reason), time.Now()
	log.Warn("node is replaced", "ends_first", next.first)
	o.Metrics.replaced.WithLabelValues(o.Name, next.reason).Inc()
	if err := o.replace(ctx, old, nil, 0); err != nil {
		if ctx.Err() == nil {
			log.Error("node not replaced", "err", err)
		}
		return true, err
	}
	log.Info("node replaced", "after_ms", time.Since(begun).Milliseconds())
	return true, nil
}

// stopLimits are the times for the end of a node.
type stopLimits struct {
	drain time.Duration // for its requests
	total time.Duration // from the beginning of the drain to SIGKILL
	grace time.Duration // but at least this time from SIGTERM to SIGKILL
}

// stopLimits returns the times for the end of a node. The requests of a hung node do not finish in any time.
func (s *service) stopLimits(id string, hangs bool) stopLimits {
	drain := s.config().Drain
	if hangs || s.hung(id) != "" {
		return stopLimits{min(drain, hungDrain), hungStop, min(s.StopGrace, hungStop-hungDrain)}
	}
	return stopLimits{drain, drain, s.StopGrace}
}
