// Package gateway is the one address in front of all nodes: listeners, routes, the chain of policies, and the pools of
// nodes that requests are sent to.
//
// A request's way:
//
//	listener -> guard -> net/http -> record -> stalled -> body -> strict -> forwarded ->
//	route -> rate limit -> auth -> idempotency -> proxy -> upstream.Pool -> node
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/claim"
	"github.com/tenfold-go/tenfold/internal/gateway/engine"
	"github.com/tenfold-go/tenfold/internal/gateway/engine/std"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/internal/sample"
	"github.com/tenfold-go/tenfold/internal/store"
)

// Options tune a Gateway. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger          // events of nodes and listeners; default: discard
	Access  *slog.Logger          // one record per request; default: none
	Metrics prometheus.Registerer // default: none
	Store   *store.Store          // the state that policies share with other gateways; default: nothing is shared

	// OnSample is called with each sample of each service, about once per second. It may be called by several goroutines at
	// the same time, and must not block. Default: none.
	OnSample func(sample.Sample)

	// Middleware is any net/http middleware. A request passes it after the policies that all requests have in common and
	// before the choice of the route. It may wrap the request's body and the writer, if the writer has Unwrap.
	Middleware []func(http.Handler) http.Handler

	claims  *claim.Options // of tests, which must not fail because a store is slow
	between policy.Policy  // of tests: stands between any two policies; nil for none
}

// Gateway serves what a configuration describes. Its nodes come in through Update. It is safe for concurrent use.
type Gateway struct {
	cfg         *config.Config
	log         *slog.Logger
	pools       map[string]*upstream.Pool // by service; workers have none
	handler     http.Handler
	loops       []func(context.Context) // of policies
	cuts        []func()                // of policies: what Kill ends
	engine      engine.Engine
	listeners   []net.Listener
	tunnels     tunnels
	requests    inFlight
	nodeChanges changes
}

// New builds a Gateway. It opens nothing and starts nothing.
func New(cfg *config.Config, o *Options) (*Gateway, error) {
	if o == nil {
		o = &Options{}
	}
	certificates, err := tlsConfig(cfg.TLS)
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, log: o.Log, pools: make(map[string]*upstream.Pool), requests: inFlight{none: make(chan struct{}, 1)}}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	metrics := newMetrics(o.Metrics, cfg)
	g.tunnels.active = metrics.active
	poolMetrics := upstream.NewMetrics(o.Metrics)
	for _, s := range cfg.Services {
		if !s.Worker {
			g.pools[s.Name] = upstream.New(s, &upstream.Options{
				Log: g.log, Metrics: poolMetrics, OnChange: g.nodeChanges.report, OnSample: o.OnSample,
			})
		}
	}
	ends := []func(*http.Request, *exchange.Exchange){metrics.count}
	if o.Access != nil {
		ends = append(ends, policy.AccessLog(o.Access))
	}
	router, err := g.routes(o)
	if err != nil {
		return nil, err
	}
	common := []policy.Policy{
		policy.Record(ends...),
		policy.Body(cfg.Limits),
		policy.Strict(cfg.Limits),
		policy.Forwarded(cfg.TrustedProxies, cfg.TLS != nil),
	}
	for _, m := range o.Middleware {
		common = append(common, m)
	}
	g.handler = o.chain(common)(router)
	g.engine = std.New(g, &engine.Options{
		Limits: cfg.Limits, TLS: certificates, H2C: cfg.H2C, Log: g.log,
		ConnOpened: metrics.active.Inc, ConnClosed: metrics.active.Dec,
	})
	return g, nil
}

// chain joins policies.
func (o *Options) chain(policies []policy.Policy) policy.Policy {
	if o.between != nil {
		apart := []policy.Policy{}
		for _, p := range policies {
			apart = append(apart, p, o.between)
		}
		policies = apart
	}
	return policy.Chain(policies...)
}

// ServeHTTP answers one request as the listeners would, for tests and for embedding.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.begin()
	defer g.requests.end()
	g.handler.ServeHTTP(w, r)
}

// routes is the end of the chain that all requests have in common: it finds the route, whose policies lead to the service.
func (g *Gateway) routes(o *Options) (http.Handler, error) {
	routes := make([]route, len(g.cfg.Routes))
	policies := policies{cfg: g.cfg, o: o}
	for i := range g.cfg.Routes {
		r := &g.cfg.Routes[i]
		own, err := policies.of(r)
		if err != nil {
			return nil, err
		}
		routes[i] = route{r, o.chain(own)(&proxy{service: r.To, pool: g.transport(r.To), tunnels: &g.tunnels})}
	}
	g.loops, g.cuts = policies.loops, policies.cuts
	router := newRouter(routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := router.find(r)
		switch {
		case m.route == nil:
			problem.Write(w, r, noRoute(m))
			return
		case m.twofold:
			problem.Write(w, r, problem.PathAmbiguous)
			return
		}
		exchange.From(r).Service = m.route.To
		m.route.handler.ServeHTTP(w, r)
	}), nil
}

// Listen opens the addresses, so that a taken port is known before anything is started.
func (g *Gateway) Listen() error {
	for _, address := range g.cfg.Listen {
		l, err := listen(address, g.cfg, g.log)
		if err != nil {
			g.closeListeners()
			return err
		}
		g.listeners = append(g.listeners, l)
	}
	return nil
}

func (g *Gateway) closeListeners() {
	for _, l := range g.listeners {
		l.Close()
	}
}

// Addrs are the addresses that Listen has opened.
func (g *Gateway) Addrs() (all []net.Addr) {
	for _, l := range g.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Run serves until ctx ends. Then it accepts nothing more and lets what is under way finish, for at most Config.Drain;
// after that it cuts the rest. It returns early when a listener breaks.
func (g *Gateway) Run(ctx context.Context) error {
	poolCtx, stopPools := context.WithCancel(context.WithoutCancel(ctx)) // pools work on while requests finish
	var pools, servers sync.WaitGroup
	for _, p := range g.pools {
		pools.Go(func() { p.Run(poolCtx) })
	}
	for _, loop := range g.loops {
		pools.Go(func() { loop(poolCtx) })
	}
	failed := make(chan error, len(g.listeners))
	for _, l := range g.listeners {
		servers.Go(func() {
			if err := g.engine.Serve(l); err != nil {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	g.stop()
	servers.Wait()
	stopPools()
	pools.Wait()
	return err
}

// Kill ends the drain of a Run that is stopping: what is still under way is cut off now.
func (g *Gateway) Kill() {
	g.tunnels.cut()
	g.engine.Close()
	for _, cut := range g.cuts {
		cut()
	}
}

func (g *Gateway) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Drain)
	defer cancel()
	if n := g.tunnels.len(); n > 0 {
		g.log.Info("waiting for upgraded connections", "open", n, "at_most_s", g.cfg.Drain.Seconds())
	}
	err := g.engine.Shutdown(ctx)
	if left := g.tunnels.wait(ctx); left > 0 || err != nil {
		g.log.Warn("drain is over: cutting what did not finish", "upgraded", left, "err", err)
	}
	g.Kill()
	g.requests.wait(killTimeout)
}

// killTimeout limits how long Run waits for the handlers of requests that were cancelled.
const killTimeout = 5 * time.Second

// Update gives a service's pool its new set of nodes. Sets of services that get no requests are ignored.
func (g *Gateway) Update(set node.Set) {
	if p := g.pools[set.Service]; p != nil {
		p.Update(set)
	}
}

// AwaitReady returns when the node gets requests. A node of a service that gets none is ready as it is.
func (g *Gateway) AwaitReady(ctx context.Context, service, id string) error {
	if p := g.pools[service]; p != nil {
		return p.AwaitReady(ctx, id)
	}
	return nil
}

// Drain sends nothing new to the node and returns when it holds nothing any more, or after cancelling what it holds when
// ctx ends.
func (g *Gateway) Drain(ctx context.Context, service, id string) error {
	if p := g.pools[service]; p != nil {
		return p.Drain(ctx, id)
	}
	return nil
}

// Nodes returns what is known of a service's nodes; nothing for a service that gets no requests.
func (g *Gateway) Nodes(service string) []upstream.Status {
	if p := g.pools[service]; p != nil {
		return p.Nodes()
	}
	return nil
}

// Breaker is the state of a service's circuit breaker: closed, open or half-open; "" for a service that gets no requests.
func (g *Gateway) Breaker(service string) string {
	if p := g.pools[service]; p != nil {
		return p.Breaker().String()
	}
	return ""
}

// InFlight is how many requests and upgraded connections a node holds; 0 for one that is not known.
func (g *Gateway) InFlight(id string) int {
	for _, p := range g.pools {
		if n, ok := p.InFlight(id); ok {
			return n
		}
	}
	return 0
}
