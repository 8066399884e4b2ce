package upstream

import (
	"context"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/internal/sample"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// Status is a node as the pool sees it.
type Status struct {
	node.Node
	Ejected  bool          // it gets no requests for a while, because live requests failed on it
	Hung     string        // why it is hung: see Pool.Hung
	ProbeErr error         // why the node does not pass its probe; nil when it does
	InFlight int64         // requests and upgraded connections that the node holds
	Requests uint64        // attempts that were sent to the node
	Failures uint64        // attempts that got no response, or status 502, 503 or 504
	Latency  time.Duration // moving average of the response time
}

// Nodes returns the state of all nodes, in the order in which they joined the pool.
func (p *Pool) Nodes() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var all []Status
	for _, m := range p.ordered {
		s := Status{
			Node: *m.Node(), Ejected: m.ejected(now), Hung: m.vitals.reason, InFlight: m.heldInAll(),
			Requests: m.requests.Load(), Failures: m.failures.Load(), Latency: m.latency.At(sinceEpoch()),
		}
		if s.State = m.state(); s.State == node.Starting {
			s.ProbeErr = m.probeErr
		}
		all = append(all, s)
	}
	return all
}

// AwaitReady waits until the node passes its probe and may get requests. It fails with the cause of ctx when ctx ends
// before; the error then also has the error of the last probe.
func (p *Pool) AwaitReady(ctx context.Context, id string) error {
	for {
		p.mu.Lock()
		m, changed := p.members[id], p.changed
		ready := m != nil && m.ready && !m.draining.Load()
		p.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w%s", context.Cause(ctx), p.lastProbe(id))
		case <-changed:
		}
	}
}

// lastProbe describes the last failed probe of a node, as the end of an error. It returns "" when the last probe
// passed.
func (p *Pool) lastProbe(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[id]; m != nil && m.probeErr != nil {
		return fmt.Sprintf(": last probe: %v", m.probeErr)
	}
	return ""
}

// InFlight returns how many requests and upgraded connections a node holds. It returns false for an unknown node.
func (p *Pool) InFlight(id string) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[id]; m != nil {
		return int(m.heldInAll()), true
	}
	return 0, false
}

// Breaker returns the state of the circuit breaker; Closed when it is switched off.
func (p *Pool) Breaker() breaker.State {
	b := p.settings.Load().breaker
	if b == nil {
		return breaker.Closed
	}
	return b.State()
}

// NodeToken returns a token for the node with this id. The token does not reveal the id, and is the same in every
// process.
func (p *Pool) NodeToken(id string) string { return nodeToken(id) }

// NodeByToken returns the id of the eligible node with this token, or "".
func (p *Pool) NodeByToken(token string) string {
	if m := p.view.Load().byToken(token); m != nil {
		return m.id
	}
	return ""
}

// Sample returns the newest sample of the service's traffic. It returns the zero Sample during the first second of Run.
func (p *Pool) Sample() sample.Sample {
	if s := p.sample.Load(); s != nil {
		return *s
	}
	return sample.Sample{Service: p.name}
}

// takeSample makes the sample of the interval that ends now, and publishes it.
func (p *Pool) takeSample(now time.Time, interval time.Duration) {
	s := sample.Sample{
		Service: p.name, Time: now, Interval: interval,
		InFlight: int(p.inFlight.Load()), Queued: int(p.queue.waiting.Load()),
	}
	s.Counts, s.Latency = p.traffic.take()
	s.Nodes = p.sampleNodes()
	p.sample.Store(&s)
	if p.options.OnSample != nil {
		p.options.OnSample(s)
	}
}

// sampleNodes returns the nodes for a sample. It also reports nodes that have become warm: no event marks the end of
// their slow start.
func (p *Pool) sampleNodes() []sample.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodes := make([]sample.Node, len(p.ordered))
	warmed := false
	for i, m := range p.ordered {
		nodes[i] = sample.Node{
			ID: m.id, InFlight: int(m.inFlight.Load()), Tunnels: int(m.tunnels.Load()), Eligible: m.eligible.Load(),
		}
		warming := m.state() == node.Warming
		warmed = warmed || m.warming && !warming
		m.warming = warming
	}
	if warmed {
		p.notify()
	}
	return nodes
}
