package upstream

import (
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/balance"
)

// view is what requests pick from: the eligible nodes at one instant, and a picker for them. It is immutable.
type view struct {
	members []*member
	picker  balance.Picker
	index   map[*member]int // position in members; only for a picker that must know of released slots
	split   *split          // nil unless a version gets a share of the requests
}

// newView returns a view of the members. total returns the number of requests in flight on all nodes.
func newView(members []*member, picker config.Picker, total func() int64) *view {
	v := &view{members: members}
	nodes := make([]balance.Node, len(members))
	for i, m := range members {
		nodes[i] = m
	}
	switch picker {
	case config.PickRoundRobin:
		v.picker = balance.RoundRobin(nodes)
	case config.PickWeighted:
		v.picker = balance.Weighted(nodes)
	case config.PickLeastConn:
		v.picker = balance.LeastConn(nodes)
		v.index = make(map[*member]int, len(members))
		for i, m := range members {
			v.index[m] = i
		}
	case config.PickHash:
		v.picker = balance.Hash(nodes, total)
	default:
		v.picker = balance.P2C(nodes)
	}
	return v
}

// released tells the picker that m has one request less in flight.
func (v *view) released(m *member) {
	if v.split != nil {
		v.split.canary.released(m)
		v.split.others.released(m)
		return
	}
	if v.index == nil {
		return
	}
	if i, ok := v.index[m]; ok {
		v.picker.Released(i)
	}
}

// byID returns the member with this id, or nil.
func (v *view) byID(id string) *member {
	for _, m := range v.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// byToken returns the member with this token, or nil.
func (v *view) byToken(token string) *member {
	for _, m := range v.members {
		if m.token == token {
			return m
		}
	}
	return nil
}

// rebuild makes a new view from the members, and reports the change to all who wait for one. It is called with mu held,
// after every change of what decides whether a node is eligible.
func (p *Pool) rebuild() {
	now := time.Now()
	nodes := p.candidates(false)
	eligible := eligibleOf(nodes, now)
	backups := eligibleOf(p.candidates(true), now)
	switch ready := countReady(nodes); {
	case len(eligible) == 0 && len(backups) > 0:
		eligible = backups
	case len(nodes) > 0 && float64(ready) < p.config().Outlier.Panic*float64(len(nodes)):
		p.log.Warn("panic: too few nodes pass their probe, using all of them", "ready", ready, "nodes", len(nodes))
		eligible = nodes
	}
	p.logBackups(eligible)
	picker := p.config().Balance.Picker
	v := newView(eligible, picker, p.inFlight.Load)
	v.split = p.newSplit(eligible, picker)
	p.view.Store(v)
	markEligible(p.ordered, eligible)
	close(p.changed)
	p.changed = make(chan struct{})
	p.notify()
	p.dispatch()
}

// candidates returns the nodes that do not drain: the backups or the others.
func (p *Pool) candidates(backup bool) (all []*member) {
	for _, m := range p.ordered {
		if !m.draining.Load() && m.Node().Backup == backup {
			all = append(all, m)
		}
	}
	return all
}

func eligibleOf(nodes []*member, now time.Time) (eligible []*member) {
	for _, m := range nodes {
		if m.ready && !m.ejected(now) {
			eligible = append(eligible, m)
		}
	}
	return eligible
}

func countReady(nodes []*member) (n int) {
	for _, m := range nodes {
		if m.ready {
			n++
		}
	}
	return n
}

// logBackups logs when the backups begin or cease to get the requests.
func (p *Pool) logBackups(eligible []*member) {
	used := len(eligible) > 0 && eligible[0].Node().Backup
	switch {
	case used && !p.backups:
		p.log.Warn("no other node is ready: backup nodes get the requests", "backups", len(eligible))
	case !used && p.backups:
		p.log.Info("backup nodes get no more requests", "ready", len(eligible))
	}
	p.backups = used
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
