// Package gateway is the reverse proxy: one address in front of all nodes of all services.
//
// A request passes these parts in order:
//
//	listener -> engine -> record -> request id -> body -> strict -> forwarded -> https -> middleware ->
//	route -> policies of the route -> proxy -> sticky -> upstream.Pool -> node
//
// The engine (package engine) makes requests of the bytes on connections. The steps from record to forwarded and those of
// the route are policies (package policy); the order of the latter is in policies.go. The state of a request is in its
// exchange (package exchange); errors become responses in package problem.
package gateway

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate"
	"github.com/tenfold-go/tenfold/internal/gateway/engine/std"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/idempotent"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
	"github.com/tenfold-go/tenfold/internal/sample"
	"github.com/tenfold-go/tenfold/internal/store"
)

// Options configure a Gateway. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger // events of nodes and listeners; default: discard
	Access  *slog.Logger // one record per request; default: none
	Metrics *Metrics     // may be shared by several gateways; default: not exported
	Store   *store.Store // the state that policies share with other gateways; default: nothing is shared

	// Listen opens an address. Default: net.Listen.
	Listen func(address string) (net.Listener, error)

	// OnSample is called with each sample of each service, about once per second. It may be called by several goroutines
	// at the same time, and must not block. Default: none.
	OnSample func(sample.Sample)

	// Middleware is any net/http middleware. A request passes it after the policies that all requests have in common and
	// before the choice of the route. It may wrap the request's body and the writer, if the writer has Unwrap.
	Middleware []func(http.Handler) http.Handler

	storeTimeout time.Duration // for tests with idempotency, which must not fail because a store is slow
	between      policy.Policy // for tests: stands between any two policies; nil for none
}

// Gateway serves the routes of a configuration, which Prepare can replace while it runs. It gets the nodes of the services
// through Update. It is safe for concurrent use.
type Gateway struct {
	options     *Options
	log         *slog.Logger
	current     atomic.Pointer[state] // never nil
	pools       pools
	limits      *ratelimit.Limits // of all routes with rate_limit; nil until the first one. Used by Prepare only
	limit       *std.Limit
	perClient   *clientLimit
	tunnels     tunnels
	requests    requests
	nodeChanges changes

	certificates *certificate.Source
	draining     chan struct{} // closed when Run begins to drain

	tasks   tasks
	drained atomic.Bool // Leave has waited for all of Config.Drain
	leaving atomic.Bool // another process accepts the connections
	failed  chan error  // capacity 1: an engine cannot serve any more

	mu         sync.Mutex         // guards the fields below
	idempotent *idempotent.Shared // of all routes with idempotency; nil until the first one
	open       []*listener        // in the order of the configuration
	closing    []*listener        // those that left the configuration and drain
	stopping   bool               // Run ends: no listener is added any more
}

// New builds a Gateway. It opens no address and starts no goroutine: see Listen and Run.
func New(cfg *config.Config, o *Options) (*Gateway, error) {
	o = o.withDefaults()
	g := &Gateway{
		options: o, log: o.Log, pools: newPools(),
		perClient: newClientLimit(o.Metrics.connectionsRefused.Inc),
		tunnels:   newTunnels(o.Metrics.connections),
		requests:  newRequests(),
		draining:  make(chan struct{}),
		tasks:     newTasks(), failed: make(chan error, 1),
		certificates: certificate.New(certificateOptions(o)),
	}
	g.tasks.add(g.certificates.Run)
	g.limit = std.NewLimit(0, &std.LimitOptions{
		Log: o.Log, Waited: o.Metrics.connectionsWaited.Inc, Evicted: o.Metrics.connectionsEvicted.Inc,
	})
	b := &builder{Gateway: g, cfg: cfg}
	s, err := b.state(nil)
	if err != nil {
		return nil, err
	}
	g.adopt(s)
	return g, nil
}

func certificateOptions(o *Options) *certificate.Options {
	c := &certificate.Options{Log: o.Log, Metrics: o.Metrics.certificates}
	if o.Store != nil {
		c.Store = o.Store.Client
	}
	return c
}

func (o *Options) withDefaults() *Options {
	p := Options{}
	if o != nil {
		p = *o
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Metrics == nil {
		p.Metrics = NewMetrics(nil)
	}
	if p.Listen == nil {
		p.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	return &p
}

// ServeHTTP handles one request. The engine calls it; tests and other servers may call it, too.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.begin()
	defer g.requests.end()
	g.endAfter(w)
	x, r := exchange.Ensure(r)
	s := g.enter()
	x.Hold(&s.arriving)
	defer x.Release()
	s.handler.ServeHTTP(w, r)
}

// routesTo returns how many routes lead to a service.
func routesTo(cfg *config.Config, service string) (n int) {
	for i := range cfg.Routes {
		if cfg.Routes[i].To == service {
			n++
		}
	}
	return n
}

// chain joins policies, with the policy of tests behind each of them.
func (o *Options) chain(policies []policy.Policy) policy.Policy {
	if o.between != nil {
		all := []policy.Policy{}
		for _, p := range policies {
			all = append(all, p, o.between)
		}
		policies = all
	}
	return policy.Chain(policies...)
}
