// Package upstream sends requests to the nodes of one service.
//
// A [Pool] knows the nodes of its service. It probes them, ejects nodes that fail live requests, limits the requests
// in flight on each node, queues the requests above the limit, and repeats failed requests where that is safe. The
// path of a request:
//
//	RoundTrip -> circuit breaker -> acquire (pick a node with a free slot, or wait in the queue) -> try on the node
//	          -> judge -> response, or acquire again
//
// The slot is released when the response has been read, or when its body is closed.
//
// The nodes come in through Update. Run probes them. A node that passes its probe, is not ejected and does not drain is
// eligible: it is in the view, from which requests pick their nodes. Each change of what is eligible makes a new view.
//
// # Who is responsible for a failure
//
// A node or a service is held responsible only for what it did:
//
//   - A refused connection takes the node out until its next good probe, which is at once.
//   - Other failed connections, timeouts and broken responses count against the node (outlier) and the service (breaker).
//   - A node is ejected only when its failures are improbable for a node that is like the other nodes (unlikelyRow,
//     successLimit). What fails on every node alike ejects none.
//   - A 502, 503 or 504 of the service may be the fault of one URL. It counts against the node when another node answered
//     the same URL well, and for the breaker while such statuses are spread over the URLs (package urlstatus).
//   - A shortage of this machine and a response above a limit of the gateway count neither against a node nor
//     against the service (fault).
//   - A try that reached no node is free of the retry budget, once per node. So is the first move away from a node that
//     went down (judge).
package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream/urlstatus"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/internal/sample"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// Options tune a Pool. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger // default: discard
	Metrics *Metrics     // default: metrics that are not exported
	Routes  int          // how many routes lead to the service; default 1

	// OnChange is called after each change of the state of a node or of the breaker, as Nodes and Breaker report them. The
	// pool may hold its lock during the call: OnChange must return at once and must not call the pool. Default: none.
	OnChange func()
	// LookupHost returns the IP addresses of a node that is given by its name. Default: the system's resolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)
	// OnSample is called by Run with each sample, about once per second. It must not block. Default: none.
	OnSample func(sample.Sample)
}

// Pool is the live view of one service's nodes. It is an [http.RoundTripper]: it sends a request to one of its nodes,
// and to another one when that is safe. It is safe for concurrent use.
type Pool struct {
	name     string
	options  Options
	log      *slog.Logger
	metrics  *serviceMetrics
	settings atomic.Pointer[Settings] // never nil
	applied  chan struct{}            // capacity 1: tells Run that the settings have changed

	successes      urlstatus.Successes
	shortageLogged atomic.Int64 // when a shortage was last logged, since epoch; 0 for never

	queue   queue
	traffic traffic
	slowest slowest
	sets    chan node.Set // capacity 1: the newest set that Run has not applied yet
	ejected chan struct{} // capacity 1: tells Run that a node was ejected

	inFlight atomic.Int64                  // on all nodes
	view     atomic.Pointer[view]          // never nil
	sample   atomic.Pointer[sample.Sample] // the newest one; nil during the first second of Run

	mu      sync.Mutex
	members map[string]*member // by node id
	ordered []*member          // the same members by their order; a change makes a new slice
	backups bool               // the view has backup nodes
	canary  node.Canary        // of the set of nodes
	changed chan struct{}      // closed and replaced with each new view
}

// New returns a Pool without nodes. It starts nothing: see Run and Update.
func New(service config.Service, o *Options) *Pool {
	p := &Pool{
		name:    service.Name,
		applied: make(chan struct{}, 1),
		traffic: newTraffic(),
		sets:    make(chan node.Set, 1),
		ejected: make(chan struct{}, 1),
		members: make(map[string]*member),
		changed: make(chan struct{}),
	}
	if o != nil {
		p.options = *o
	}
	if p.options.Log == nil {
		p.options.Log = slog.New(slog.DiscardHandler)
	}
	if p.options.LookupHost == nil {
		p.options.LookupHost = net.DefaultResolver.LookupHost
	}
	if p.options.Metrics == nil {
		p.options.Metrics = NewMetrics(nil)
	}
	p.log = p.options.Log.With("service", service.Name)
	p.metrics = p.options.Metrics.of(service.Name)
	p.settings.Store(p.firstSettings(service))
	p.view.Store(&view{})
	return p
}

// firstSettings returns the settings of a new pool. The configuration has read the certificates for nodes before. When
// they cannot be read any more, every handshake fails: no authority is trusted.
func (p *Pool) firstSettings(service config.Service) *Settings {
	s, err := newSettings(service, p.options.Routes)
	if err != nil {
		p.log.Error("cannot read the certificates for connections to nodes", "err", err)
		s = &Settings{service: service, routes: p.options.Routes, tls: &tls.Config{RootCAs: x509.NewCertPool()}}
	}
	s.budget = breaker.NewRetryBudget(service.Retry.Budget, nil)
	s.newBreaker(p)
	return s
}

// config returns the configuration of the service.
func (p *Pool) config() *config.Service { return &p.settings.Load().service }

func (p *Pool) breakerChanged(from, to breaker.State) {
	p.log.Warn("circuit breaker changed", "from", from.String(), "to", to.String())
	if statuses := p.settings.Load().statuses; to == breaker.Closed && statuses != nil {
		statuses.Reset(sinceEpoch())
	}
	p.notify()
}

// notify reports a change to the owner of the pool.
func (p *Pool) notify() {
	if p.options.OnChange != nil {
		p.options.OnChange()
	}
}

// shortageLogPause is the least time between two log records of a shortage.
const shortageLogPause = 10 * time.Second

// shortage counts and logs a try or a probe that failed because this machine lacks something, and returns its error.
func (p *Pool) shortage(err error) error {
	e := &ShortageError{shortageOf(err), err}
	p.metrics.localErrors[e.Resource].Inc()
	now, last := int64(sinceEpoch()), p.shortageLogged.Load()
	if (last == 0 || now-last > int64(shortageLogPause)) && p.shortageLogged.CompareAndSwap(last, now) {
		p.log.Error("tenfold is short of a resource of this machine", "resource", e.Resource, "err", err)
	}
	return e
}

// aboveLimit counts a response above a limit, and returns its error.
func (p *Pool) aboveLimit(err error) error {
	p.metrics.localErrors["response_limit"].Inc()
	e := &ResponseLimitError{Service: p.name}
	errors.As(err, &e.LimitError)
	return e
}

// closeIdle closes the idle connections to all nodes, to free descriptors.
func (p *Pool) closeIdle() {
	p.forEach(func(m *member) {
		m.conns.closeIdle()
		m.grpc.closeIdle()
	})
}

// forEach calls do for each node, without the lock.
func (p *Pool) forEach(do func(*member)) {
	p.mu.Lock()
	ordered := p.ordered // replaced when it changes, never modified
	p.mu.Unlock()
	for _, m := range ordered {
		do(m)
	}
}
