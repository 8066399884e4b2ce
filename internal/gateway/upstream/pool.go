// Package upstream is a named pool of nodes: the current set, probes and outliers, the requests in flight on each node and
// the queue in front of them, retries, and drain.
//
// A request's way through it:
//
//	RoundTrip -> breaker -> acquire (pick, or queue) -> try on a node -> judge (answer, or again) -> release when the body ends
package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/balance"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// Options tune a Pool. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger          // default: discard
	Metrics prometheus.Registerer // default: none

	// OnChange is called after each change of the state of a node, as Nodes reports it. The pool holds its lock during the
	// call: OnChange must return at once and must not call the pool. Default: none.
	OnChange func()
}

// Pool is the live view of one service's nodes. It is an [http.RoundTripper]: it sends a request to one of its nodes, and
// to another one when that is safe. It is safe for concurrent use.
type Pool struct {
	service config.Service
	log     *slog.Logger
	metrics *metrics
	breaker *breaker.Breaker // nil when switched off
	budget  *breaker.RetryBudget
	queue   queue
	grpc    *http.Transport // HTTP/2 to the nodes, for gRPC alone
	sets    chan node.Set   // capacity 1: the newest set that Run has not seen yet

	inFlight atomic.Int64         // on all nodes
	view     atomic.Pointer[view] // what a request picks from

	mu      sync.Mutex
	members map[string]*member
	changed chan struct{} // closed and replaced at each rebuild

	onChange func() // from Options; nil for none
}

// view is an immutable instant of the pool: the nodes that get requests, and the picker that was built for them.
type view struct {
	members []*member
	picker  balance.Picker
	index   map[*member]int // set for pickers that want to hear of releases
}

// New returns a Pool without nodes. It starts nothing: see Run and Update.
func New(service config.Service, o *Options) *Pool {
	if o == nil {
		o = &Options{}
	}
	p := &Pool{
		service: service,
		log:     o.Log,
		budget:  breaker.NewRetryBudget(service.Retry.Budget, nil),
		grpc:    newGRPCTransport(),
		sets:    make(chan node.Set, 1),
		members: make(map[string]*member),
		changed: make(chan struct{}),

		onChange: o.OnChange,
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("service", service.Name)
	p.metrics = newMetrics(o.Metrics, p)
	if b := service.Breaker; !b.Off {
		p.breaker = breaker.New(&breaker.Options{
			FailureRate: b.FailureRate, MinCalls: b.MinRequests, Window: b.Window, Cooldown: b.Open, OnChange: p.breakerChanged,
		})
	}
	p.view.Store(&view{})
	return p
}

// Update gives the pool a new set of nodes. Requests under way keep the node they are on. It never blocks.
func (p *Pool) Update(set node.Set) {
	for {
		select {
		case p.sets <- set:
			return
		case <-p.sets: // an older one that Run has not taken yet
		}
	}
}

// Run probes the nodes and watches for outliers until ctx ends.
func (p *Pool) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	outliers := time.NewTicker(max(p.service.Outlier.Interval, time.Second))
	defer outliers.Stop()
	defer p.leaveAll()
	for {
		select {
		case <-ctx.Done():
			return nil
		case set := <-p.sets:
			for _, m := range p.apply(set) {
				probeCtx, cancel := context.WithCancel(ctx)
				m.stopProbe = cancel
				probes.Go(func() { p.probe(probeCtx, m) })
			}
		case <-outliers.C:
			p.judgeSuccessRates(time.Now())
		}
	}
}

// apply takes over a set and returns the members that are new.
func (p *Pool) apply(set node.Set) (fresh []*member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := make(map[string]string, len(set.Nodes)) // id to address
	for _, n := range set.Nodes {
		now[n.ID] = n.Address
	}
	for id, m := range p.members {
		if now[id] != m.Node().Address {
			m.leave()
			delete(p.members, id)
		}
	}
	for _, n := range set.Nodes {
		if n.Address == "" {
			continue // a worker: nothing is sent to it
		}
		m := p.members[n.ID]
		if m == nil {
			m = newMember(n, p.service)
			p.members[n.ID] = m
			fresh = append(fresh, m)
		}
		m.node.Store(&n)
		if n.State == node.Draining {
			m.draining.Store(true)
		}
	}
	p.rebuild()
	return fresh
}

func (p *Pool) leaveAll() {
	p.grpc.CloseIdleConnections()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		m.leave()
	}
}

// rebuild makes the view anew from the members. It is called with mu held, after every change of what may be picked.
func (p *Pool) rebuild() {
	now := time.Now()
	all := slices.SortedFunc(maps.Values(p.members), byStart)
	v := &view{}
	passing, candidates := 0, 0
	for _, m := range all {
		if m.draining.Load() {
			continue
		}
		candidates++
		if m.passing {
			passing++
		}
		if m.passing && !m.ejected(now) {
			v.members = append(v.members, m)
		}
	}
	if share := float64(passing); candidates > 0 && share < p.service.Outlier.Panic*float64(candidates) {
		p.log.Warn("panic: too few nodes pass their probe, using all of them", "passing", passing, "nodes", candidates)
		v.members = slices.DeleteFunc(slices.Clone(all), func(m *member) bool { return m.draining.Load() })
	}
	v.picker = p.newPicker(v)
	p.view.Store(v)
	in := v.members // a part of all, in the same order
	for _, m := range all {
		usable := len(in) > 0 && in[0] == m
		m.usable.Store(usable)
		if usable {
			in = in[1:]
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
	if p.onChange != nil {
		p.onChange()
	}
	p.dispatch()
}

func (p *Pool) newPicker(v *view) balance.Picker {
	nodes := make([]balance.Node, len(v.members))
	for i, m := range v.members {
		nodes[i] = m
	}
	switch p.service.Balance.Picker {
	case config.PickRoundRobin:
		return balance.RoundRobin(nodes)
	case config.PickWeighted:
		return balance.Weighted(nodes)
	case config.PickLeastConn:
		v.index = make(map[*member]int, len(nodes))
		for i, m := range v.members {
			v.index[m] = i
		}
		return balance.LeastConn(nodes)
	case config.PickHash:
		return balance.Hash(nodes, p.inFlight.Load)
	}
	return balance.P2C(nodes)
}

// AwaitReady returns when the node with this id gets requests, or with the cause when ctx ends before.
func (p *Pool) AwaitReady(ctx context.Context, id string) error {
	for {
		p.mu.Lock()
		m, changed := p.members[id], p.changed
		ready := m != nil && m.passing && !m.draining.Load()
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

// lastProbe says how a node's last probe failed, to stand behind an error.
func (p *Pool) lastProbe(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[id]; m != nil && m.probeErr != nil {
		return fmt.Sprintf(": last probe: %v", m.probeErr)
	}
	return ""
}

// Status is a node as the pool sees it.
type Status struct {
	node.Node
	Ejected  bool   // taken out by live traffic, for now
	ProbeErr error  // why it does not pass its probe; nil when it does
	InFlight int64  // requests, and upgraded connections, that it holds
	Requests uint64 // tries that were sent to it
	Failures uint64 // of these, how many it did not answer, or with 502, 503 or 504
	Latency  time.Duration
}

// Nodes returns what the pool knows of each node, in the order in which they were started.
func (p *Pool) Nodes() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var all []Status
	for _, m := range slices.SortedFunc(maps.Values(p.members), byStart) {
		all = append(all, m.status(now))
	}
	return all
}

// Breaker is the state of the circuit breaker; closed when it is switched off.
func (p *Pool) Breaker() breaker.State {
	if p.breaker == nil {
		return breaker.Closed
	}
	return p.breaker.State()
}

// InFlight is how many requests and upgraded connections a node holds, if the pool knows it.
func (p *Pool) InFlight(id string) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[id]; m != nil {
		return int(m.held()), true
	}
	return 0, false
}

func byStart(a, b *member) int { return int(a.order) - int(b.order) }

func (p *Pool) breakerChanged(from, to breaker.State) {
	p.log.Warn("circuit breaker changed", "from", from.String(), "to", to.String())
}
