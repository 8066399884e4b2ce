package upstream

import (
	"math"
	"net/http"
	"time"
)

// observe records what the head of a response says about its node. The attempt began at start, since epoch.
//
// A 502, 503 or 504 may be the fault of the URL. It counts against the node only when another node answered the same URL
// well: this request when it is repeated, or another request during Outlier.Interval.
func (p *Pool) observe(r *request, m *member, resp *http.Response, start time.Duration) {
	now := sinceEpoch()
	switch {
	case unavailable(resp) && p.successes.ByAnother(r.url, m.order, now-p.config().Outlier.Interval):
		p.nodeFailed(m)
		return
	case unavailable(resp):
		r.suspects = append(r.suspects, m)
		m.failures.Add(1)
		return
	}
	if !p.config().Outlier.Off && resp.StatusCode < http.StatusInternalServerError {
		p.successes.Add(r.url, m.order, now)
		p.convict(r.suspects, m)
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		// It counts against the node where other nodes respond better. Its speed is no reason to prefer the node.
		m.interval.failed.Add(1)
	} else {
		m.latency.Observe(now, now-start)
		m.interval.ok.Add(1)
	}
	if m.failuresInRow.Load() != 0 {
		m.failuresInRow.Store(0)
	}
}

// convict counts the 502, 503 and 504 of a request against the nodes that sent them, because another node answered well.
func (p *Pool) convict(suspects []*member, answered *member) {
	for _, m := range suspects {
		if m != answered {
			p.countFailure(m)
		}
	}
}

// nodeFailed counts a failed attempt against its node.
func (p *Pool) nodeFailed(m *member) {
	m.failures.Add(1)
	p.countFailure(m)
}

// countFailure ejects a node after too many failures in a row, unless the other nodes fail as well.
func (p *Pool) countFailure(m *member) {
	m.interval.failed.Add(1)
	row := m.failuresInRow.Add(1)
	if p.config().Outlier.Off || row < int64(p.config().Outlier.Failures) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if unlikelyRow(row, p.siblingFailures(m)) {
		p.eject(m, time.Now(), "consecutive failures")
	}
}

// siblingFailures returns the share of failures among the attempts on the other nodes, in the current interval and the
// one before. It returns 1 when there was none. mu is held.
func (p *Pool) siblingFailures(m *member) float64 {
	ok, failed := int64(0), int64(0)
	for _, other := range p.ordered {
		if other != m && other.eligible.Load() {
			ok += other.interval.ok.Load() + other.lastInterval.ok
			failed += other.interval.failed.Load() + other.lastInterval.failed
		}
	}
	if ok+failed == 0 {
		return 1
	}
	return float64(failed) / float64(ok+failed)
}

// unlikelyRow reports whether a row of failures shows that a node is worse than its siblings: a node that fails as often
// as they do would have such a row with a probability below one in a million.
func unlikelyRow(row int64, siblings float64) bool { return math.Pow(siblings, float64(row)) < 1e-6 }

// ejectByRate ejects nodes whose success rate over the last interval is far below that of the other nodes, and starts
// the next interval. It finds nodes that consecutive failures do not find, for example one that fails every third
// request.
func (p *Pool) ejectByRate(now time.Time) {
	o := p.config().Outlier
	p.mu.Lock()
	defer p.mu.Unlock()
	var members []*member
	var rates []float64
	for _, m := range p.ordered {
		ok, failed := m.interval.ok.Swap(0), m.interval.failed.Swap(0)
		m.lastInterval.ok, m.lastInterval.failed = ok, failed
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
	o := p.config().Outlier
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
