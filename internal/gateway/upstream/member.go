package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/balance"
	"github.com/tenfold-go/tenfold/internal/node"
)

// epoch is the zero of the monotonic clock that pickers and latencies go by.
var epoch = time.Now()

func sinceEpoch() time.Duration { return time.Since(epoch) }

// member is one node as the pool sees it. It is the balance.Node that pickers ask.
type member struct {
	id    string
	order uint64 // members that joined earlier have a smaller one
	node  atomic.Pointer[node.Node]
	conns conns

	inFlight atomic.Int64 // requests that hold one of its places
	tunnels  atomic.Int64 // upgraded connections; they live long and hold no place
	requests atomic.Uint64
	failures atomic.Uint64
	latency  balance.Latency
	draining atomic.Bool
	usable   atomic.Bool   // it is in the pool's view: it may be picked
	idle     chan struct{} // capacity 1: told when a draining member may have nothing left

	failuresInRow atomic.Int64
	interval      struct{ ok, failed atomic.Int64 } // since the last look at success rates

	slowStart time.Duration
	warmFrom  atomic.Int64 // since epoch; negative when it gets its full share

	tries     tries
	stopProbe context.CancelFunc // set by Run before the probe starts

	// Guarded by Pool.mu:
	passing      bool      // the probe's verdict
	probeErr     error     // of the last probe
	wasUp        bool      // it passed before
	upSince      time.Time // when it last began to pass
	ejectedUntil time.Time // zero, or when the outlier mark ends
	ejections    int       // in a row; the next one is longer
}

var joined atomic.Uint64

func newMember(n node.Node, s config.Service) *member {
	m := &member{id: n.ID, order: joined.Add(1), idle: make(chan struct{}, 1), slowStart: s.SlowStart}
	m.warmFrom.Store(-1)
	m.node.Store(&n)
	m.conns.address = n.Address
	return m
}

func (m *member) Node() *node.Node { return m.node.Load() }
func (m *member) ID() string       { return m.id }
func (m *member) InFlight() int64  { return m.inFlight.Load() }

func (m *member) Latency(now time.Duration) time.Duration { return m.latency.At(now) }

func (m *member) Weight() float64 { return float64(max(1, m.Node().Weight)) }

// leastShare is what a node gets the moment it is ready: enough to warm its caches, little enough to survive it.
const leastShare = 0.1

func (m *member) Share(now time.Duration) float64 {
	from := m.warmFrom.Load()
	if from < 0 {
		return 1
	}
	share := float64(now-time.Duration(from)) / float64(m.slowStart)
	if share >= 1 {
		m.warmFrom.CompareAndSwap(from, -1)
		return 1
	}
	return max(leastShare, share)
}

// ejected reports whether live traffic has marked the node. Called with Pool.mu held.
func (m *member) ejected(now time.Time) bool { return now.Before(m.ejectedUntil) }

// take claims a place for one request; false when all limit places are held, or the node is draining.
func (m *member) take(limit int64) bool {
	if n := m.inFlight.Add(1); limit > 0 && n > limit {
		m.inFlight.Add(-1)
		return false
	}
	if m.draining.Load() { // marked after the request chose it
		m.put()
		return false
	}
	return true
}

// put gives a place back.
func (m *member) put() {
	m.inFlight.Add(-1)
	m.tellIdle()
}

func (m *member) held() int64 { return m.inFlight.Load() + m.tunnels.Load() }

func (m *member) tellIdle() {
	if m.draining.Load() && m.held() == 0 {
		select {
		case m.idle <- struct{}{}:
		default:
		}
	}
}

// leave ends what the pool does for a node that is no longer in the set. Requests on it run on.
func (m *member) leave() {
	if m.stopProbe != nil {
		m.stopProbe()
	}
	m.draining.Store(true)
	m.conns.close()
}

func (m *member) status(now time.Time) Status {
	s := Status{
		Node: *m.Node(), Ejected: m.ejected(now), InFlight: m.held(),
		Requests: m.requests.Load(), Failures: m.failures.Load(), Latency: m.latency.At(sinceEpoch()),
	}
	switch {
	case m.draining.Load():
		s.State = node.Draining
	case !m.passing:
		s.State, s.ProbeErr = node.Starting, m.probeErr
	case m.Share(sinceEpoch()) < 1:
		s.State = node.Warming
	default:
		s.State = node.Ready
	}
	return s
}

// tries is what is under way on a member, so that it can be called back.
type tries struct {
	mu  sync.Mutex
	all map[*try]struct{}
}

func (t *tries) add(x *try) {
	t.mu.Lock()
	if t.all == nil {
		t.all = make(map[*try]struct{})
	}
	t.all[x] = struct{}{}
	t.mu.Unlock()
}

func (t *tries) remove(x *try) {
	t.mu.Lock()
	delete(t.all, x)
	t.mu.Unlock()
}

// cancel ends the tries that which accepts, with a cause, and counts them. A nil which accepts all.
func (t *tries) cancel(cause error, which func(*try) bool) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for x := range t.all {
		if x.ctx.Err() == nil && (which == nil || which(x)) {
			x.cancel(cause)
			n++
		}
	}
	return n
}
