package gateway

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/idempotent"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
)

// routePolicies are the policies of routes, in the order in which a request passes them. Each function returns the
// policy of one route, or nil when the route does not have it. A new policy is one more function here; its key in the
// file is one more entry of the list of the same name in package config.
var routePolicies = []func(*policies, *config.Route) (policy.Policy, error){
	(*policies).pause, // first: a held request looks for its route again
	(*policies).expose,
	(*policies).responseHeaders,
	(*policies).errorPages,
	(*policies).networks,
	(*policies).cors, // before all that refuse: pages of other origins read the refusals, and preflights have no credentials
	(*policies).maintenance,
	(*policies).rateLimit, // before auth, to save the check of the token
	(*policies).auth,
	(*policies).basicAuth,
	(*policies).rateLimitByToken,
	(*policies).redirect,
	(*policies).idempotency,
	(*policies).requestHeaders, // behind all that read the header of the client
	(*policies).path,           // last: everything else goes by the path of the client
}

// policies makes the policies of the routes of one configuration. It takes over the counts of rate limits and the keys of
// tokens from the configuration before, as far as their part of the file is the same.
type policies struct {
	*builder
	old *policies // nil for the first configuration

	limiters  map[string]*ratelimit.Limiter // by limiterKey
	verifier  *verifier                     // of all routes with auth: jwt; nil for none
	guesses   *policy.Guesses               // of all routes with basic_auth; nil for none
	passwords map[string]*policy.Passwords  // by their users

	pages    *policy.Pages   // of the whole configuration; nil for none
	replaced <-chan struct{} // closed when another configuration serves
	router   *router         // set after all policies were made
}

// verifier is a jwt.Verifier that runs.
type verifier struct {
	*jwt.Verifier
	run *task
}

// stopLater ends a verifier that was replaced. Requests that began before may still verify tokens, which takes two
// seconds when the key of a token is unknown.
func (v *verifier) stopLater(ctx context.Context) {
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	v.run.stop()
}

// of returns the policies of a route.
func (p *policies) of(r *config.Route) (all []policy.Policy, err error) {
	for _, make := range routePolicies {
		made, err := make(p, r)
		if err != nil {
			return nil, err
		}
		if made != nil {
			all = append(all, made)
		}
	}
	return all, nil
}

// countsByToken reports whether a route's rate limit counts by the subject of tokens, which only auth knows.
func countsByToken(r *config.Route) bool {
	return r.RateLimit != nil && r.Auth == config.AuthJWT && r.RateLimit.Caller.By == config.CallerByAuthorization
}

func (p *policies) rateLimit(r *config.Route) (policy.Policy, error) {
	if r.RateLimit == nil || countsByToken(r) {
		return nil, nil
	}
	return policy.RateLimit(p.limiter(r), *r.RateLimit), nil
}

func (p *policies) rateLimitByToken(r *config.Route) (policy.Policy, error) {
	if !countsByToken(r) {
		return nil, nil
	}
	return policy.RateLimit(p.limiter(r), *r.RateLimit), nil
}

// limiterKey tells apart the rate limits whose counts are independent.
func limiterKey(r *config.Route) string {
	return fmt.Sprintf("%q %q %q %q %+v", r.Host, r.Path, r.Methods, r.Headers, *r.RateLimit)
}

func (p *policies) limiter(r *config.Route) *ratelimit.Limiter {
	if p.limits == nil {
		p.limits = ratelimit.New(p.options.Store, &ratelimit.Options{Log: p.log, Metrics: p.options.Metrics.rateLimit()})
		p.tasks.add(func(ctx context.Context) { p.limits.Run(ctx) })
	}
	key := limiterKey(r)
	if p.old != nil && p.old.limiters[key] != nil {
		p.limiters[key] = p.old.limiters[key]
	}
	if p.limiters[key] == nil {
		p.limiters[key] = p.limits.Limiter(r)
	}
	return p.limiters[key]
}

func (p *policies) auth(r *config.Route) (policy.Policy, error) {
	if r.Auth != config.AuthJWT {
		return nil, nil
	}
	if p.verifier == nil {
		if err := p.newVerifier(); err != nil {
			return nil, err
		}
	}
	return policy.Auth(p.verifier.Verifier), nil
}

// newVerifier takes over the verifier of the configuration before, or makes one.
func (p *policies) newVerifier() error {
	var old *verifier
	if p.old != nil {
		old = p.old.verifier
	}
	if old != nil && reflect.DeepEqual(p.old.cfg.JWT, p.cfg.JWT) {
		adopt, err := old.Reread()
		if err != nil {
			return err
		}
		p.verifier, p.commits = old, append(p.commits, adopt)
		return nil
	}
	v, err := jwt.New(p.cfg.JWT, &jwt.Options{Log: p.log, Metrics: p.options.Metrics.jwt()})
	if err != nil {
		return err
	}
	if old != nil {
		v.Inherit(old.Verifier)
	}
	p.verifier = &verifier{v, p.tasks.add(func(ctx context.Context) { v.Run(ctx) })}
	p.started = append(p.started, p.verifier.run)
	return nil
}

func (p *policies) idempotency(r *config.Route) (policy.Policy, error) {
	if r.Idempotency == nil {
		return nil, nil
	}
	if p.options.Store == nil {
		return nil, errors.New("idempotency needs a store")
	}
	service := slices.IndexFunc(p.cfg.Services, func(s config.Service) bool { return s.Name == r.To })
	return p.sharedIdempotent().Policy(*r.Idempotency, &p.cfg.Services[service]), nil
}

// sharedIdempotent returns what all routes with idempotency share, also over changes of the configuration.
func (p *policies) sharedIdempotent() *idempotent.Shared {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Gateway.idempotent == nil {
		p.Gateway.idempotent = idempotent.New(p.options.Store.Client,
			&idempotent.Options{Log: p.log, Metrics: p.options.Metrics.idempotent(), StoreTimeout: p.options.storeTimeout})
	}
	return p.Gateway.idempotent
}
