package upstream

import (
	"math"
	"net/http"
	"time"
)

// observe records what the head of a response says about its node. The attempt began at start, since epoch.
func (p *Pool) observe(m *member, resp *http.Response, start time.Duration) {
	if unavailable(resp) {
		p.nodeFailed(m)
		return
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		// It counts against the node where other nodes respond better. Its speed is no reason to prefer the node.
		m.interval.failed.Add(1)
	} else {
		now := sinceEpoch()
		m.latency.Observe(now, now-start)
		m.interval.ok.Add(1)
	}
	if m.failuresInRow.Load() != 0 {
		m.failuresInRow.Store(0)
	}
}

// nodeFailed counts a failed attempt against its node, and ejects the node after too many failures in a row.
func (p *Pool) nodeFailed(m *member) {
	m.failures.Add(1)
	m.interval.failed.Add(1)
	row := m.failuresInRow.Add(1)
	if p.service.Outlier.Off || row < int64(p.service.Outlier.Failures) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eject(m, time.Now(), "consecutive failures")
}

// ejectByRate ejects nodes whose success rate over the last interval is far below that of the other nodes, and starts
// the next interval. It finds nodes that consecutive failures do not find, for example one that fails every third
// request.
func (p *Pool) ejectByRate(now time.Time) {
	o := p.service.Outlier
	p.mu.Lock()
	defer p.mu.Unlock()
	var members []*member
	var rates []float64
	for _, m := range p.ordered {
		ok, failed := m.interval.ok.Swap(0), m.interval.failed.Swap(0)
		if n := ok + failed; m.eligible.Load() && n >= int64(o.MinRequests) {
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

// eject keeps requests away from a node for a while. It does nothing when too many nodes are ejected already: then the
// nodes are probably not the cause of the failures. It is called with mu held.
func (p *Pool) eject(m *member, now time.Time, reason string) {
	o := p.service.Outlier
	if !m.eligible.Load() || m.ejected(now) {
		return
	}
	ready, ejected := 0, 0
	for _, other := range p.ordered {
		if other.ready && !other.draining.Load() {
			ready++
			if other.ejected(now) {
				ejected++
			}
		}
	}
	if ejected >= mayEject(ready, o.MaxShare) {
		return
	}
	if now.Sub(m.ejectedUntil) > o.MaxEject {
		m.ejections = 0 // the last ejection was long ago: this one is a first one
	}
	m.ejections++
	length := min(o.Eject*time.Duration(m.ejections), o.MaxEject)
	m.ejectedUntil = now.Add(length)
	m.failuresInRow.Store(0)
	p.metrics.ejections.Inc()
	p.log.Warn("node ejected", "node", m.id, "why", reason, "for_s", length.Seconds())
	p.rebuild()
	select {
	case p.ejected <- struct{}{}: // Run ends the ejection in time
	default:
	}
}

// endEjections makes nodes eligible again whose ejection has ended. It returns the time until the next ejection ends,
// and false when no node is ejected any more.
func (p *Pool) endEjections(now time.Time) (next time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := false
	for _, m := range p.ordered {
		if m.ejected(now) {
			left := m.ejectedUntil.Sub(now)
			if !ok || left < next {
				next, ok = left, true
			}
		} else if m.ready && !m.eligible.Load() && !m.draining.Load() {
			ended = true
		}
	}
	if ended {
		p.rebuild()
	}
	return next, ok
}

// mayEject returns how many of n nodes may be ejected at once: the share maxShare of them, at least one of two, never
// all.
func mayEject(n int, maxShare float64) int {
	if n < 2 {
		return 0
	}
	return min(n-1, max(1, int(maxShare*float64(n))))
}

// successLimit returns the success rate below which a node is an outlier: the mean minus the given number of standard
// deviations, and at least one percent below the mean. It returns 0 for fewer than three nodes, because two different
// nodes do not show which of them is the exception.
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
