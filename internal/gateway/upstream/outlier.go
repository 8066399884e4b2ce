package upstream

import (
	"math"
	"time"
)

// nodeFailed counts a failed try against its node, and ejects the node when there were too many in a row.
func (p *Pool) nodeFailed(m *member) {
	m.interval.failed.Add(1)
	row := m.failuresInRow.Add(1)
	if p.service.Outlier.Off || row < int64(p.service.Outlier.Failures) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eject(m, time.Now(), "consecutive failures")
}

// eject marks a node so that it gets no requests for a while. Called with mu held.
func (p *Pool) eject(m *member, now time.Time, why string) {
	o := p.service.Outlier
	if !m.usable.Load() || m.ejected(now) {
		return
	}
	passing, ejected := 0, 0
	for _, other := range p.members {
		if other.passing && !other.draining.Load() {
			passing++
			if other.ejected(now) {
				ejected++
			}
		}
	}
	if ejected >= mayEject(passing, o.MaxShare) {
		return // when so many fail, the cause is likely not in the nodes
	}
	if now.Sub(m.ejectedUntil) > o.MaxEject {
		m.ejections = 0 // it behaved for long: the old marks no longer count
	}
	m.ejections++
	length := min(o.Eject*time.Duration(m.ejections), o.MaxEject)
	m.ejectedUntil = now.Add(length)
	m.failuresInRow.Store(0)
	p.metrics.ejections.Inc()
	p.log.Warn("node ejected", "node", m.id, "why", why, "for_s", length.Seconds())
	p.rebuild()
	time.AfterFunc(length, func() { // the mark ends by itself; only the view must hear of it
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rebuild()
	})
}

// mayEject is how many of n nodes may be out at once: maxShare of them, one of two in any case, never all.
func mayEject(n int, maxShare float64) int {
	if n < 2 {
		return 0
	}
	return min(n-1, max(1, int(maxShare*float64(n))))
}

// judgeSuccessRates ejects nodes whose success rate over the last interval is far below their siblings', and starts the
// next interval. It finds what consecutive failures do not: a node that fails every third request.
func (p *Pool) judgeSuccessRates(now time.Time) {
	o := p.service.Outlier
	p.mu.Lock()
	defer p.mu.Unlock()
	var members []*member
	var rates []float64
	for _, m := range p.members {
		ok, failed := m.interval.ok.Swap(0), m.interval.failed.Swap(0)
		if n := ok + failed; m.usable.Load() && n >= int64(o.MinRequests) {
			members = append(members, m)
			rates = append(rates, float64(ok)/float64(n))
		}
	}
	if o.Off || o.SuccessRate == 0 {
		return
	}
	limit := successLimit(rates, o.SuccessRate)
	for i, m := range members {
		if rates[i] < limit {
			p.eject(m, now, "success rate")
		}
	}
}

// successLimit is the success rate below which a node is an outlier: so many standard deviations under the mean. With
// fewer than three nodes there is no telling who is the odd one out, and a fleet that is even may differ by a percent.
func successLimit(rates []float64, deviations float64) float64 {
	if len(rates) < 3 {
		return 0
	}
	mean := 0.0
	for _, r := range rates {
		mean += r / float64(len(rates))
	}
	variance := 0.0
	for _, r := range rates {
		variance += (r - mean) * (r - mean) / float64(len(rates))
	}
	return min(mean-deviations*math.Sqrt(variance), mean-0.01)
}
