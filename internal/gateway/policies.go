package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/claim"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
)

// policies makes what stands between the routes and their services.
type policies struct {
	cfg    *config.Config
	o      *Options
	tokens *jwt.Verifier       // of all routes with auth: jwt; nil while there is none
	once   *policy.Idempotency // of all routes with idempotency; nil while there is none
	limits *ratelimit.Limits   // of all routes with rate_limit; nil while there is none
	loops  []func(context.Context)
	cuts   []func() // what Gateway.Kill calls
}

// of returns a route's policies, in the order in which a request meets them. A rate limit comes first, and spares the work of
// checking tokens, unless it counts by what the token says.
func (p *policies) of(r *config.Route) (all []policy.Policy, err error) {
	if r.RateLimit != nil {
		all = append(all, policy.RateLimit(p.limiter(r), *r.RateLimit))
	}
	if r.Auth == config.AuthJWT {
		if err := p.verifier(); err != nil {
			return nil, err
		}
		all = append(all, policy.Auth(p.tokens))
		if r.RateLimit != nil && r.RateLimit.Caller.By == config.CallerByAuthorization {
			slices.Reverse(all)
		}
	}
	if r.Idempotency != nil {
		if err := p.idempotency(); err != nil {
			return nil, err
		}
		service := slices.IndexFunc(p.cfg.Services, func(s config.Service) bool { return s.Name == r.To })
		all = append(all, p.once.Policy(*r.Idempotency, &p.cfg.Services[service]))
	}
	return all, nil
}

// limiter makes a route's own, and what all limiters of this gateway share when the first route needs it.
func (p *policies) limiter(r *config.Route) *ratelimit.Limiter {
	if p.limits == nil {
		p.limits = ratelimit.New(p.o.Store, &ratelimit.Options{Log: p.o.Log, Metrics: ratelimit.NewMetrics(p.o.Metrics)})
		p.loops = append(p.loops, func(ctx context.Context) { p.limits.Run(ctx) })
	}
	return p.limits.Limiter(r)
}

// idempotency makes what all routes with keys share.
func (p *policies) idempotency() error {
	if p.once != nil {
		return nil
	}
	if p.o.Store == nil {
		return errors.New("idempotency needs a store")
	}
	p.once = policy.NewIdempotency(claim.New(p.o.Store.Client, p.o.claims), &policy.IdempotencyOptions{Log: p.o.Log, Metrics: p.o.Metrics})
	p.cuts = append(p.cuts, p.once.Cut)
	return nil
}

// verifier makes the one Verifier when the first route needs it: keys are had once, however many routes check tokens.
func (p *policies) verifier() (err error) {
	if p.tokens != nil {
		return nil
	}
	if p.tokens, err = jwt.New(p.cfg.JWT, &jwt.Options{Log: p.o.Log, Metrics: jwt.NewMetrics(p.o.Metrics)}); err != nil {
		return err
	}
	p.loops = append(p.loops, func(ctx context.Context) { p.tokens.Run(ctx) })
	return nil
}
