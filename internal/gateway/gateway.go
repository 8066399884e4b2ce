// Package gateway is the reverse proxy: one address in front of all nodes of all services.
//
// A request passes these parts in order:
//
//	listener -> engine -> record -> body -> strict -> forwarded -> middleware ->
//	route -> rate limit -> auth -> idempotency -> proxy -> sticky -> upstream.Pool -> node
//
// The engine (package engine) makes requests of the bytes on connections. The steps from record to idempotency are
// policies (package policy). The state of a request is in its exchange (package exchange); errors become responses in
// package problem.
package gateway

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/engine"
	"github.com/tenfold-go/tenfold/internal/gateway/engine/std"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/sample"
	"github.com/tenfold-go/tenfold/internal/store"
)

// Options configure a Gateway. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger // events of nodes and listeners; default: discard
	Access  *slog.Logger // one record per request; default: none
	Metrics *Metrics     // may be shared by several gateways; default: not exported
	Store   *store.Store // the state that policies share with other gateways; default: nothing is shared

	// OnSample is called with each sample of each service, about once per second. It may be called by several goroutines
	// at the same time, and must not block. Default: none.
	OnSample func(sample.Sample)

	// Middleware is any net/http middleware. A request passes it after the policies that all requests have in common and
	// before the choice of the route. It may wrap the request's body and the writer, if the writer has Unwrap.
	Middleware []func(http.Handler) http.Handler

	storeTimeout time.Duration // for tests with idempotency, which must not fail because a store is slow
	between      policy.Policy // for tests: stands between any two policies; nil for none
}

// Gateway serves the routes of a configuration. It gets the nodes of the services through Update. It is safe for
// concurrent use.
type Gateway struct {
	cfg         *config.Config
	log         *slog.Logger
	pools       map[string]*upstream.Pool // by service; workers have none
	policies    policies
	handler     http.Handler
	engine      engine.Engine
	listeners   []net.Listener
	perClient   *clientLimit // nil for no limit
	tunnels     tunnels
	requests    requests
	nodeChanges changes
}

// New builds a Gateway. It opens no address and starts no goroutine: see Listen and Run.
func New(cfg *config.Config, o *Options) (*Gateway, error) {
	o = o.withDefaults()
	certificates, err := tlsConfig(cfg.TLS)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		cfg: cfg, log: o.Log, pools: make(map[string]*upstream.Pool),
		tunnels:  newTunnels(o.Metrics.connections),
		requests: newRequests(),
	}
	for _, s := range cfg.Services {
		if !s.Worker {
			g.pools[s.Name] = upstream.New(s, &upstream.Options{
				Log: o.Log, Metrics: o.Metrics.pools, Routes: routesTo(cfg, s.Name), OnChange: g.nodeChanges.report, OnSample: o.OnSample,
			})
		}
	}
	g.policies = policies{cfg: cfg, o: o}
	routes, err := g.routes(o)
	if err != nil {
		return nil, err
	}
	g.handler = o.chain(g.common(o))(routes)
	g.perClient = newClientLimit(cfg, o.Metrics.connectionsRefused.Inc)
	g.engine = std.New(g, &engine.Options{
		Limits: cfg.Limits, TLS: certificates, H2C: cfg.H2C, Log: o.Log,
		MaxConnections: maxConnections(cfg, o.Log, o.Metrics),
		ConnWaited:     o.Metrics.connectionsWaited.Inc, ConnEvicted: o.Metrics.connectionsEvicted.Inc,
		ConnOpened: o.Metrics.connections.Inc, ConnClosed: o.Metrics.connections.Dec,
	})
	return g, nil
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
	return &p
}

// ServeHTTP handles one request. The engine calls it; tests and other servers may call it, too.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.begin()
	defer g.requests.end()
	g.handler.ServeHTTP(w, r)
}

// common returns the policies of all requests, in the order in which a request passes them.
func (g *Gateway) common(o *Options) []policy.Policy {
	observers := []policy.Observer{newRequestCounter(o.Metrics, g.cfg).count}
	if o.Access != nil {
		observers = append(observers, policy.AccessLog(o.Access))
	}
	all := []policy.Policy{
		policy.Record(observers...),
		policy.Body(g.cfg.Limits),
		policy.Strict(g.cfg.Limits),
		policy.Forwarded(policy.ForwardedOptions{Trusted: g.cfg.TrustedProxies, Read: g.cfg.Forwarded.Read, Write: g.cfg.Forwarded.Write,
			Secure: g.cfg.TLS != nil, Log: o.Log}),
	}
	for _, m := range o.Middleware {
		all = append(all, m)
	}
	return all
}

// routes returns the handler that finds the route of a request and passes the request to the route's policies.
func (g *Gateway) routes(o *Options) (http.Handler, error) {
	routes := make([]route, len(g.cfg.Routes))
	for i := range g.cfg.Routes {
		r := &g.cfg.Routes[i]
		policies, err := g.policies.of(r)
		if err != nil {
			return nil, err
		}
		routes[i] = route{Route: r, number: i, handler: o.chain(policies)(g.proxy(r.To))}
	}
	router := newRouter(routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := router.find(r)
		switch {
		case m.route == nil:
			problem.Write(w, r, noRoute(m))
			return
		case m.refusal != nil:
			problem.Write(w, r, m.refusal)
			return
		}
		x := exchange.From(r)
		x.Service, x.Route = m.route.To, m.route.number
		m.route.handler.ServeHTTP(w, r)
	}), nil
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
