package gateway

import (
	"context"
	"errors"
	"slices"

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
	(*policies).rateLimit, // before auth, to save the check of the token
	(*policies).auth,
	(*policies).rateLimitByToken,
	(*policies).idempotency,
}

// policies makes the policies of routes. What the routes of a gateway share is made for the first route that needs it.
type policies struct {
	cfg *config.Config
	o   *Options

	limits     *ratelimit.Limits  // of all routes with rate_limit
	verifier   *jwt.Verifier      // of all routes with auth: jwt
	idempotent *idempotent.Shared // of all routes with idempotency

	runs  []func(context.Context) // what Gateway.Run runs
	kills []func()                // what Gateway.Kill calls
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

func (p *policies) limiter(r *config.Route) *ratelimit.Limiter {
	if p.limits == nil {
		p.limits = ratelimit.New(p.o.Store, &ratelimit.Options{Log: p.o.Log, Metrics: p.o.Metrics.rateLimit()})
		p.runs = append(p.runs, func(ctx context.Context) { p.limits.Run(ctx) })
	}
	return p.limits.Limiter(r)
}

func (p *policies) auth(r *config.Route) (_ policy.Policy, err error) {
	if r.Auth != config.AuthJWT {
		return nil, nil
	}
	if p.verifier == nil {
		if p.verifier, err = jwt.New(p.cfg.JWT, &jwt.Options{Log: p.o.Log, Metrics: p.o.Metrics.jwt()}); err != nil {
			return nil, err
		}
		p.runs = append(p.runs, func(ctx context.Context) { p.verifier.Run(ctx) })
	}
	return policy.Auth(p.verifier), nil
}

func (p *policies) idempotency(r *config.Route) (policy.Policy, error) {
	if r.Idempotency == nil {
		return nil, nil
	}
	if p.o.Store == nil {
		return nil, errors.New("idempotency needs a store")
	}
	if p.idempotent == nil {
		p.idempotent = idempotent.New(p.o.Store.Client,
			&idempotent.Options{Log: p.o.Log, Metrics: p.o.Metrics.idempotent(), StoreTimeout: p.o.storeTimeout})
		p.kills = append(p.kills, p.idempotent.Kill)
	}
	service := slices.IndexFunc(p.cfg.Services, func(s config.Service) bool { return s.Name == r.To })
	return p.idempotent.Policy(*r.Idempotency, &p.cfg.Services[service]), nil
}
