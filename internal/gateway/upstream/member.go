package upstream

import (
	"context"
	"crypto/tls"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/balance"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/internal/node"
)

// member is one node as the pool sees it. It is the [balance.Node] that pickers use.
type member struct {
	id    string
	token string // see NodeToken
	order uint64 // grows with each new member of any pool
	node  atomic.Pointer[node.Node]

	dialer dialer
	conns  conns
	grpc   *grpcConns

	inFlight atomic.Int64 // requests that hold one of the node's slots
	tunnels  atomic.Int64 // upgraded connections; they live long and hold no slot
	requests atomic.Uint64
	answers  atomic.Uint64 // responses, counted when their header arrives
	failures atomic.Uint64
	latency  balance.Latency
	draining atomic.Bool // never becomes false again
	eligible atomic.Bool // the node is in the pool's view, so that it may be picked

	// former is what the pool knew of the node before its last undrain, as long as that holds requests; nil for none.
	former *member

	idle     chan struct{} // closed when the node drains and holds nothing any more
	idleOnce sync.Once

	failuresInRow atomic.Int64
	interval      struct{ ok, failed atomic.Int64 } // since the last comparison of success rates

	settings *atomic.Pointer[Settings] // of the pool
	warmFrom atomic.Int64              // since epoch; negative when the node gets its full share

	recheck   chan struct{} // capacity 1: tells the probe that the node refused a connection
	reprobe   chan struct{} // capacity 1: tells the probe that it has other settings
	running   runningSet
	stopProbe context.CancelFunc // set by Run before the probe starts

	// Guarded by Pool.mu:
	ready        bool      // the node passes its probe
	wasReady     bool      // the node was ready before
	readySince   time.Time // when the node became ready the last time
	warming      bool      // the last sample reported the node as warming
	probeErr     error     // of the last probe
	ejectedUntil time.Time // when the last ejection ends or ended; zero before the first one
	ejections    int       // in a row; each one is longer than the one before
	lastInterval struct{ ok, failed int64 }
	vitals       vitals
}

// members counts the members of all pools, for member.order.
var members atomic.Uint64

func newMember(n node.Node, s *atomic.Pointer[Settings]) *member {
	m := &member{
		id: n.ID, token: nodeToken(n.ID), order: members.Add(1), idle: make(chan struct{}), settings: s,
		recheck: make(chan struct{}, 1), reprobe: make(chan struct{}, 1),
	}
	m.warmFrom.Store(-1)
	m.node.Store(&n)
	m.dialer.endpoint = parseEndpoint(n.Address)
	m.dialer.onMove = func() {
		m.conns.renew()
		m.grpc.closeIdle()
	}
	m.conns.dial = m.dialer.dial
	m.dialer.tls = func() *tls.Config { return s.Load().tls }
	m.grpc = newGRPCConns(&m.dialer, s.Load().service)
	m.conns.limits = func() *client.Options { return &s.Load().limits }
	return m
}

// follow makes m take the place of a member whose node was undrained. A member that drains holds no new requests, ever, so
// an undrained node is a new member. It counts on from the former one, which may hold requests still.
func (m *member) follow(former *member) {
	if former == nil {
		return
	}
	former.stopProbe()
	m.order = former.order
	m.requests.Store(former.requests.Load())
	m.failures.Store(former.failures.Load())
	for former != nil && former.held() == 0 {
		former = former.former
	}
	m.former = former
}

// heldInAll is held with the requests from before the last undrain.
func (m *member) heldInAll() (n int64) {
	for ; m != nil; m = m.former {
		n += m.held()
	}
	return n
}

func byOrder(a, b *member) int { return int(a.order) - int(b.order) }

// nodeToken returns a name for a node that does not reveal its id.
func nodeToken(id string) string { return strconv.FormatUint(balance.Key(id), 36) }

func (m *member) Node() *node.Node { return m.node.Load() }
func (m *member) ID() string       { return m.id }
func (m *member) InFlight() int64  { return m.inFlight.Load() }

func (m *member) Latency(now time.Duration) time.Duration { return m.latency.At(now) }

func (m *member) Weight() float64 { return float64(max(1, m.Node().Weight)) }

// leastShare is the share of a node that has just become ready. It is large enough to warm the node's caches, and small
// enough not to overload a cold node.
const leastShare = 0.1

// Share returns the share of its full load that the node gets: below 1 while it is warming.
func (m *member) Share(now time.Duration) float64 {
	from := m.warmFrom.Load()
	if from < 0 {
		return 1
	}
	share := float64(now-time.Duration(from)) / float64(m.settings.Load().service.SlowStart)
	if share >= 1 {
		m.warmFrom.CompareAndSwap(from, -1)
		return 1
	}
	return max(leastShare, share)
}

// acquire takes one of the node's slots for a request. It returns false when all limit slots are taken, or when the
// node is draining. A limit of 0 means that there is no limit.
func (m *member) acquire(limit int64) bool {
	n := m.inFlight.Add(1)
	if limit > 0 && n > limit || m.draining.Load() { // it may have begun to drain after the request picked it
		m.release()
		return false
	}
	return true
}

// release gives a slot back.
func (m *member) release() {
	m.inFlight.Add(-1)
	m.reportIdle()
}

// held returns the number of requests and upgraded connections that the node holds.
func (m *member) held() int64 { return m.inFlight.Load() + m.tunnels.Load() }

// drain stops new requests to the node, and closes its idle connections. Many servers wait at their end until their
// peers have closed their connections.
func (m *member) drain() {
	m.draining.Store(true)
	m.conns.close()
	m.grpc.closeIdle()
	m.reportIdle()
}

// reportIdle closes m.idle when the node drains and holds nothing. That is final: a draining node gets no new request.
func (m *member) reportIdle() {
	if m.draining.Load() && m.held() == 0 {
		m.idleOnce.Do(func() {
			m.grpc.close()
			close(m.idle)
		})
	}
}

// leave ends the pool's work for a node that is no longer in the set. Requests on the node run on.
func (m *member) leave() {
	if m.stopProbe != nil {
		m.stopProbe()
	}
	m.drain()
}

// state returns the state of the node. It is called with Pool.mu held.
func (m *member) state() node.State {
	switch {
	case m.draining.Load():
		return node.Draining
	case !m.ready:
		return node.Starting
	case m.Share(sinceEpoch()) < 1:
		return node.Warming
	}
	return node.Ready
}

// ejected reports whether the node is an outlier at the moment. It is called with Pool.mu held.
func (m *member) ejected(now time.Time) bool { return now.Before(m.ejectedUntil) }

// epoch is the zero of the monotonic clock of this package. A duration since the epoch fits into an atomic integer
// and is cheaper to read than a time.Time.
var epoch = time.Now()

func sinceEpoch() time.Duration { return time.Since(epoch) }
