package upstream

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Update gives the pool a new set of nodes, which Run applies. A request keeps the node that it is on. Update never
// blocks: a newer set replaces one that Run has not applied yet.
func (p *Pool) Update(set node.Set) {
	for {
		select {
		case p.sets <- set:
			return
		case <-p.sets:
		}
	}
}

const (
	sampleInterval = time.Second
	// Run closes connections that were idle for too long. It looks for them at intervals between these two.
	minExpiry = 10 * time.Millisecond
	maxExpiry = time.Second
)

// Run applies the sets of nodes, probes the nodes, ejects outliers and takes samples. It returns nil after ctx has
// ended and all its goroutines have returned.
func (p *Pool) Run(ctx context.Context) error {
	var probes sync.WaitGroup // and what else runs next to the loop
	defer probes.Wait()
	defer p.leaveAll()
	defer p.exportGauges()()

	probes.Go(func() { p.watchFiles(ctx) })
	rates := time.NewTicker(p.rateInterval())
	defer rates.Stop()
	samples := time.NewTicker(sampleInterval)
	defer samples.Stop()
	sampled := time.Now()
	expiry := time.NewTicker(p.expiryInterval())
	defer expiry.Stop()
	hung := time.NewTimer(p.hungLook())
	defer hung.Stop()
	looked := time.Now()
	ejections := time.NewTimer(0) // fires when the next ejection ends
	ejections.Stop()
	defer ejections.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case set := <-p.sets:
			for _, m := range p.apply(set) {
				probeCtx, cancel := context.WithCancel(ctx)
				m.stopProbe = cancel
				probes.Go(func() { p.probe(probeCtx, m) })
				probes.Go(func() { p.checkLiveness(probeCtx, m) })
			}
		case <-rates.C:
			p.ejectByRate(time.Now())
		case <-samples.C:
			now := time.Now()
			p.takeSample(now, now.Sub(sampled))
			sampled = now
		case <-expiry.C:
			p.forEach(func(m *member) { m.conns.closeOlder(p.config().IdleTimeout) })
		case <-p.applied:
			rates.Reset(p.rateInterval())
			expiry.Reset(p.expiryInterval())
			hung.Reset(p.hungLook())
		case <-hung.C:
			now := time.Now()
			p.lookForHung(now, now.Sub(looked))
			looked = now
			hung.Reset(p.hungLook())
		case <-p.ejected:
			p.scheduleReturn(ejections)
		case <-ejections.C:
			p.scheduleReturn(ejections)
		}
	}
}

func (p *Pool) rateInterval() time.Duration { return max(p.config().Outlier.Interval, time.Second) }

func (p *Pool) expiryInterval() time.Duration {
	return min(max(p.config().IdleTimeout/4, minExpiry), maxExpiry)
}

// scheduleReturn ends the ejections that are over, and sets timer to the end of the next one.
func (p *Pool) scheduleReturn(timer *time.Timer) {
	if next, ok := p.endEjections(time.Now()); ok {
		timer.Reset(next)
	}
}

// exportGauges includes the pool in the gauges until remove is called.
func (p *Pool) exportGauges() (remove func()) {
	return p.options.Metrics.gauges.add(p.name, &gaugeSource{
		inFlight:    func() float64 { return float64(p.inFlight.Load()) },
		queued:      func() float64 { return float64(p.queue.waiting.Load()) },
		breaker:     func() float64 { return float64(p.Breaker()) },
		nodesUsable: func() float64 { return float64(len(p.view.Load().members)) },
		nodesHung:   func() float64 { return float64(p.countHung()) },
	})
}

// apply makes the members of the pool equal to the set, and returns the new members. A node whose address has changed
// is a new member.
func (p *Pool) apply(set node.Set) (added []*member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addresses := make(map[string]string, len(set.Nodes)) // by id
	for _, n := range set.Nodes {
		addresses[n.ID] = n.Address
	}
	for id, m := range p.members {
		if addresses[id] != m.Node().Address {
			m.leave()
			delete(p.members, id)
		}
	}
	for _, n := range set.Nodes {
		if n.Address == "" {
			continue // a worker gets no requests
		}
		m := p.members[n.ID]
		former := m
		if m == nil || m.draining.Load() && n.Admitted > m.Node().Admitted {
			m = newMember(n, &p.settings)
			m.follow(former)
			m.dialer.freeDescriptors = p.closeIdle
			m.dialer.lookup = p.options.LookupHost
			p.members[n.ID] = m
			added = append(added, m)
		}
		m.node.Store(&n)
		if n.State == node.Draining {
			m.drain() // Drain says why the state and a call both announce it
		}
	}
	p.ordered = slices.SortedFunc(maps.Values(p.members), byOrder)
	p.canary = set.Canary
	p.rebuild()
	return added
}

// leaveAll ends the pool's work for all nodes.
func (p *Pool) leaveAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.ordered {
		m.leave()
	}
}
