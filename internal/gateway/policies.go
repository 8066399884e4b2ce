package gateway

import (
	"context"
	"fmt"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
)

// policies makes what stands between the routes and their services.
type policies struct {
	cfg    *config.Config
	o      *Options
	tokens *jwt.Verifier // of all routes with auth: jwt; nil while there is none
	loops  []func(context.Context)
}

// of returns a route's policies, in the order in which a request meets them.
func (p *policies) of(r *config.Route) (all []policy.Policy, err error) {
	if r.Auth == "jwt" {
		if err := p.verifier(); err != nil {
			return nil, err
		}
		all = append(all, policy.Auth(p.tokens))
	}
	if r.RateLimit != nil || r.Idempotency != nil {
		return nil, fmt.Errorf("rate_limit and idempotency are not built yet")
	}
	return all, nil
}

// verifier makes the one Verifier when the first route needs it: keys are had once, however many routes check tokens.
func (p *policies) verifier() (err error) {
	if p.tokens != nil {
		return nil
	}
	if p.tokens, err = jwt.New(p.cfg.JWT, &jwt.Options{Log: p.o.Log, Metrics: p.o.Metrics}); err != nil {
		return err
	}
	p.loops = append(p.loops, func(ctx context.Context) { p.tokens.Run(ctx) })
	return nil
}
