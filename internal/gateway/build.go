package gateway

import (
	"net/http"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/affinity"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
)

// builder makes the state of one configuration. It changes nothing that serves.
type builder struct {
	*Gateway
	cfg     *config.Config
	started []*task          // tasks of this state alone
	commits []func()         // what makes parts that stay the same follow the configuration
	byName  map[string]*pool // of this state
}

// state builds the state. It takes over from the old one, if there is one, what the change does not concern.
func (b *builder) state(old *state) (s *state, err error) {
	s = &state{cfg: b.cfg, arriving: newPending(), replaced: make(chan struct{}), pools: make(map[string]*pool)}
	if s.certificates, err = b.certificates.Prepare(b.cfg); err != nil {
		return nil, err
	}
	for _, service := range b.cfg.Services {
		if service.Worker {
			continue
		}
		if old == nil || old.pools[service.Name] == nil {
			s.pools[service.Name] = b.newPool(service)
			continue
		}
		p := old.pools[service.Name]
		rolls := !config.SameProgram(serviceOf(old.cfg, service.Name), &service)
		settings, err := p.Prepare(service, routesTo(b.cfg, service.Name), rolls)
		if err != nil {
			return nil, err
		}
		s.pools[service.Name], b.commits = p, append(b.commits, func() { p.Apply(settings) })
	}
	b.byName = s.pools
	pages, err := policy.LoadPages(b.cfg.ErrorPages, nil)
	if err != nil {
		return nil, err
	}
	s.policies = &policies{
		builder: b, pages: pages, replaced: s.replaced,
		limiters: make(map[string]*ratelimit.Limiter), passwords: make(map[string]*policy.Passwords),
	}
	if old != nil {
		s.policies.old = old.policies
	}
	s.routes, err = b.routes(s.policies)
	s.policies.old = nil // otherwise every state would keep all states before it
	if err != nil {
		return nil, err
	}
	var counter *requestCounter
	if old != nil {
		counter = old.counter
	}
	s.counter = newRequestCounter(b.options.Metrics, b.cfg, counter)
	s.handler = b.options.chain(b.common(s.counter, pages))(s.routes)
	return s, nil
}

// serviceOf returns the service of a configuration with this name, which must exist.
func serviceOf(cfg *config.Config, name string) *config.Service {
	i := slices.IndexFunc(cfg.Services, func(s config.Service) bool { return s.Name == name })
	return &cfg.Services[i]
}

// newPool makes the pool of a service, which runs when it is added to the pools of the gateway.
func (b *builder) newPool(service config.Service) *pool {
	return &pool{
		sessions: affinity.New(b.sessionsFound(service.Name)),
		Pool: upstream.New(service, &upstream.Options{
			Log: b.log, Metrics: b.options.Metrics.pools, Routes: routesTo(b.cfg, service.Name),
			OnChange: b.nodeChanges.report, OnSample: b.options.OnSample,
		}),
		waiting: newPending(),
	}
}

// sessionsFound returns what is called when a service turns out to keep sessions in its nodes.
func (b *builder) sessionsFound(service string) func(affinity.Found) {
	return func(f affinity.Found) {
		b.log.Warn("service is not ready for several nodes: a session cookie gets a new value from each node that a visitor reaches",
			"service", service, "cookie", f.Cookie, "page", affinity.Page)
		b.nodeChanges.report()
	}
}

// common returns the policies of all requests, in the order in which a request passes them.
func (b *builder) common(counter *requestCounter, pages *policy.Pages) []policy.Policy {
	o, cfg := b.options, b.cfg
	observers := []policy.Observer{counter.count}
	if o.Access != nil && cfg.Log.Access {
		observers = append(observers, policy.AccessLog(o.Access, cfg.Log))
	}
	all := []policy.Policy{policy.Record(observers...), policy.RequestID()}
	if pages != nil {
		all = append(all, policy.ErrorPages(pages.OfGateway()))
	}
	all = append(all,
		policy.Body(cfg.Limits),
		policy.Strict(cfg.Limits),
		policy.Forwarded(policy.ForwardedOptions{Trusted: cfg.TrustedProxies, Read: cfg.Forwarded.Read, Write: cfg.Forwarded.Write,
			Log: o.Log}),
	)
	if cfg.TLS != nil {
		all = append(all, policy.HTTPS(policy.HTTPSOptions{HSTS: cfg.TLS.HSTS, Challenge: b.certificates.ServeChallenge}))
	}
	for _, m := range o.Middleware {
		all = append(all, m)
	}
	return all
}

// routes returns the handler that finds the route of a request and passes the request to the route's policies.
func (b *builder) routes(p *policies) (http.Handler, error) {
	routes := make([]route, len(b.cfg.Routes))
	for i := range b.cfg.Routes {
		r := &b.cfg.Routes[i]
		policies, err := p.of(r)
		if err != nil {
			return nil, err
		}
		routes[i] = route{Route: r, number: i, pool: b.byName[r.To], handler: b.options.chain(policies)(b.proxy(r.To))}
	}
	router := newRouter(routes)
	p.router = router
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
		if p := m.route.pool; p != nil {
			p.waiting.begin()
			x.Hold(&p.waiting)
		} else {
			x.Release() // a route without a service
		}
		m.route.handler.ServeHTTP(w, r)
	}), nil
}
