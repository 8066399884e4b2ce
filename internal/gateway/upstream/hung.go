package upstream

import (
	"context"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Reasons why a node is hung. The metric of replaced nodes has them as labels.
const (
	hungByProbe    = "probe"    // it fails its probes
	hungByRequests = "requests" // it holds requests and answers none
)

// evidence is what a pool has seen of a node that may be hung.
type evidence struct {
	failing time.Duration // from the first to the last failed probe since the last good one

	silent     time.Duration // how long the node held requests without an answer
	unanswered uint64        // requests that it has got and not answered in that time
	siblings   uint64        // requests that other nodes have answered in that time
	slowest    time.Duration // longest time from a request to its response, of all nodes, lately
}

// fewRequests is a number of requests: fewer ones may all be slow by chance, so the node gets more time for them.
const fewRequests = 3

// hungBecause returns why a node is hung, or "". after is config.Service.ReplaceAfter.
func hungBecause(after time.Duration, e evidence) string {
	switch {
	case after == 0:
		return ""
	case e.failing >= after:
		return hungByProbe
	case e.unanswered == 0 || e.siblings < fewRequests:
		return ""
	}
	limit := max(after, 2*e.slowest)
	if e.unanswered < fewRequests {
		limit *= 2
	}
	if e.silent < limit {
		return ""
	}
	return hungByRequests
}

// vitals are what the pool remembers of a node to find out whether it is hung. Pool.mu guards it.
type vitals struct {
	firstFailure time.Time // of the row of failed probes; zero after a good one
	lastFailure  time.Time

	silent   time.Duration // see evidence
	siblings uint64
	answers  uint64 // member.answers at the last look
	received uint64 // requests that the node has answered or given up until its last answer

	reason string // why the node is hung; "" when it is not
}

// probed records a probe that counts for ReplaceAfter, and that began at start. A good one ends a hang.
func (v *vitals) probed(start, now time.Time, err error) {
	switch {
	case err == nil:
		v.firstFailure, v.lastFailure = time.Time{}, time.Time{}
	case v.firstFailure.IsZero():
		v.firstFailure, v.lastFailure = start, start // one failure alone lasts for no time
	default:
		v.lastFailure = now
	}
}

// look records dt more of a node's life: what it holds, has received and has answered by now. others is what other nodes
// have answered in dt. A node that is out because of its silence cannot answer: that time counts, too.
func (v *vitals) look(dt time.Duration, held, received, answers, others uint64, out bool) {
	if answers != v.answers {
		v.answers, v.silent, v.siblings, v.received = answers, 0, 0, received-min(held, received)
		return
	}
	if held == 0 && v.silent == 0 {
		v.received = received
		return
	}
	v.siblings += others
	if held > 0 || out {
		v.silent += dt
	}
}

// evidence returns what speaks for a hang.
func (v *vitals) evidence(received uint64, slowest time.Duration) evidence {
	return evidence{
		failing: v.lastFailure.Sub(v.firstFailure),
		silent:  v.silent, unanswered: received - v.received, siblings: v.siblings, slowest: slowest,
	}
}

const (
	hungLooks     = 10                    // looks at the nodes per ReplaceAfter
	minHungLook   = 20 * time.Millisecond // shortest time between two looks
	maxHungLook   = time.Second           // longest
	slowestWindow = 10                    // for how many times ReplaceAfter a slow response counts
)

// hungLook returns the time between two looks for hung nodes.
func (p *Pool) hungLook() time.Duration {
	after := p.config().ReplaceAfter
	if after == 0 {
		return maxHungLook
	}
	return min(max(after/hungLooks, minHungLook), maxHungLook)
}

// lookForHung marks the nodes that are hung, and removes the mark from those that are not any more. dt is the time since
// the last look. A pause of tenfold itself is no silence of a node, so dt counts as at most two looks.
func (p *Pool) lookForHung(now time.Time, dt time.Duration) {
	after := p.config().ReplaceAfter
	dt = min(dt, 2*p.hungLook())
	p.mu.Lock()
	defer p.mu.Unlock()
	slowest := p.slowest.look(now, slowestWindow*after)
	total := uint64(0)
	for _, m := range p.ordered {
		total += m.answers.Load() - m.vitals.answers
	}
	for _, m := range p.ordered {
		v, received, answers := &m.vitals, m.requests.Load(), m.answers.Load()
		answered := answers - v.answers
		v.look(dt, uint64(m.running.unanswered()), received, answers, total-min(answered, total), m.ejected(now))
		if !m.wasReady || m.draining.Load() {
			continue // a node that starts has another limit, and one that drains is going to end
		}
		reason := hungBecause(after, v.evidence(received, slowest))
		was := v.reason
		if v.reason = reason; reason != was {
			p.hungChanged(m, was, now)
		}
		if reason == hungByRequests && (was == "" || now.Sub(m.ejectedUntil) > p.config().Outlier.Interval) {
			p.setAside(m, now)
		}
	}
}

// hungChanged logs and reports that a node is hung, or not any more. mu is held.
func (p *Pool) hungChanged(m *member, was string, now time.Time) {
	switch v := &m.vitals; {
	case v.reason == "":
		p.log.Info("node no longer hung", "node", m.id)
	case was == "":
		e := v.evidence(m.requests.Load(), 0)
		p.log.Warn("node hung", "node", m.id, "why", v.reason, "failing_s", e.failing.Round(time.Millisecond).Seconds(),
			"silent_s", e.silent.Round(time.Millisecond).Seconds(), "unanswered", e.unanswered, "err", m.probeErr)
	}
	p.notify()
}

// setAside ejects a node that answers no requests although it passes its probe, and moves its requests that may be
// repeated to other nodes. mu is held.
func (p *Pool) setAside(m *member, now time.Time) {
	if !p.config().Outlier.Off {
		p.eject(m, now, "hung")
	}
	if !m.eligible.Load() {
		m.running.cancelRetryable(ErrNodeDown)
	}
}

// Hung returns why a node is hung: "probe", because it fails its probes, or "requests", because it answers no requests.
// It returns "" for any other node.
func (p *Pool) Hung(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[id]; m != nil {
		return m.vitals.reason
	}
	return ""
}

// countHung returns the number of hung nodes.
func (p *Pool) countHung() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.ordered {
		if m.vitals.reason != "" {
			n++
		}
	}
	return n
}

// checkLiveness probes a node with the service's liveness probe until ctx ends.
func (p *Pool) checkLiveness(ctx context.Context, m *member) {
	for {
		pause := maxHungLook
		switch l := p.settings.Load().probesOf(m).liveness; {
		case l == nil: // the other probe counts
		case l.Off:
			p.forgetProbes(m)
		default:
			p.checkAlive(ctx, m, *l)
			pause = l.Interval
		}
		select {
		case <-time.After(jitter(pause)):
		case <-ctx.Done():
			return
		}
	}
}

// forgetProbes ends a row of failed probes that counted until a reload.
func (p *Pool) forgetProbes(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.vitals.probed(time.Time{}, time.Time{}, nil)
}

// checkAlive sends one liveness probe, unless the node still starts.
func (p *Pool) checkAlive(ctx context.Context, m *member, l config.Probe) {
	p.mu.Lock()
	starts := !m.wasReady
	p.mu.Unlock()
	if starts {
		return
	}
	start := time.Now()
	err := checkNode(ctx, l, &m.dialer)
	if ctx.Err() != nil || shortageOf(err) != "" {
		return
	}
	if err != nil {
		p.metrics.livenessFailures.Inc()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m.vitals.probed(start, time.Now(), err)
}
