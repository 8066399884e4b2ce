package upstream

import (
	"slices"
	"time"
)

// rebuild makes a new view from the members, and reports the change to all who wait for one. It is called with mu held,
// after every change of what decides whether a node is eligible.
func (p *Pool) rebuild() {
	now := time.Now()
	var eligible []*member
	ready, candidates := 0, 0
	for _, m := range p.ordered {
		if m.draining.Load() {
			continue
		}
		candidates++
		if m.ready {
			ready++
		}
		if m.ready && !m.ejected(now) {
			eligible = append(eligible, m)
		}
	}
	if candidates > 0 && float64(ready) < p.service.Outlier.Panic*float64(candidates) {
		p.log.Warn("panic: too few nodes pass their probe, using all of them", "ready", ready, "nodes", candidates)
		eligible = slices.DeleteFunc(slices.Clone(p.ordered), func(m *member) bool { return m.draining.Load() })
	}
	p.view.Store(newView(eligible, p.service.Balance.Picker, p.inFlight.Load))
	markEligible(p.ordered, eligible)
	close(p.changed)
	p.changed = make(chan struct{})
	p.notify()
	p.dispatch()
}

// markEligible sets the eligible mark of all members. eligible is a part of all, in the same order.
func markEligible(all, eligible []*member) {
	for _, m := range all {
		is := len(eligible) > 0 && eligible[0] == m
		m.eligible.Store(is)
		if is {
			eligible = eligible[1:]
		}
	}
}
