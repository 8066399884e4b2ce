package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
)

// This file makes the policies that change requests and responses, or answer requests, without a state in the store.

func (p *policies) pause(r *config.Route) (policy.Policy, error) {
	if r.Maintenance == nil || r.Maintenance.Pause == 0 {
		return nil, nil
	}
	return policy.Pause(*r.Maintenance, policy.PauseOptions{
		Replaced: p.replaced, Stopping: p.draining, Again: http.HandlerFunc(p.again),
	}), nil
}

func (p *policies) expose(r *config.Route) (policy.Policy, error) {
	expose := r.Expose
	if expose == "" {
		expose = p.cfg.Expose
	}
	if expose != config.ExposeNode {
		return nil, nil
	}
	return policy.ExposeNode(), nil
}

func (p *policies) responseHeaders(r *config.Route) (policy.Policy, error) {
	if r.ResponseHeaders == nil {
		return nil, nil
	}
	return policy.ResponseHeaders(*r.ResponseHeaders), nil
}

// errorPages is also for a route without own pages when those of the whole configuration are for errors of services.
func (p *policies) errorPages(r *config.Route) (policy.Policy, error) {
	if r.ErrorPages == nil && (p.cfg.ErrorPages == nil || !p.cfg.ErrorPages.Service) {
		return nil, nil
	}
	pages, err := policy.LoadPages(r.ErrorPages, p.pages)
	if err != nil {
		return nil, err
	}
	return policy.ErrorPages(pages), nil
}

func (p *policies) networks(r *config.Route) (policy.Policy, error) {
	if len(r.Allow) == 0 && len(r.Deny) == 0 {
		return nil, nil
	}
	return policy.Networks(r.Allow, r.Deny), nil
}

func (p *policies) cors(r *config.Route) (policy.Policy, error) {
	if r.CORS == nil {
		return nil, nil
	}
	return policy.CORS(*r.CORS), nil
}

func (p *policies) maintenance(r *config.Route) (policy.Policy, error) {
	m := r.Maintenance
	if m == nil {
		return nil, nil
	}
	var page *exchange.Page
	if m.Page != "" {
		var err error
		if page, err = policy.LoadPage(m.Page); err != nil {
			return nil, err
		}
	}
	return policy.Maintenance(*m, page), nil
}

func (p *policies) basicAuth(r *config.Route) (policy.Policy, error) {
	if r.BasicAuth == nil {
		return nil, nil
	}
	users, err := r.BasicAuth.Load()
	if err != nil {
		return nil, fmt.Errorf("basic_auth: %w", err)
	}
	return policy.BasicAuth(*r.BasicAuth, p.passwordsOf(users)), nil
}

// passwordsOf returns the passwords of users, which remember those that were accepted. It takes them over from the
// configuration before if the users are the same.
func (p *policies) passwordsOf(users []config.BasicUser) *policy.Passwords {
	key := fmt.Sprintf("%q", users)
	if p.old != nil {
		p.guesses = p.old.guesses
		if same := p.old.passwords[key]; same != nil {
			p.passwords[key] = same
		}
	}
	if p.guesses == nil {
		p.guesses = policy.NewGuesses()
	}
	if p.passwords[key] == nil {
		p.passwords[key] = policy.NewPasswords(users, p.guesses)
	}
	return p.passwords[key]
}

func (p *policies) redirect(r *config.Route) (policy.Policy, error) {
	if r.Redirect == nil {
		return nil, nil
	}
	return policy.Redirect(*r.Redirect), nil
}

func (p *policies) requestHeaders(r *config.Route) (policy.Policy, error) {
	if r.RequestHeaders == nil {
		return nil, nil
	}
	return policy.RequestHeaders(*r.RequestHeaders), nil
}

func (p *policies) path(r *config.Route) (policy.Policy, error) {
	if r.StripPrefix != "" {
		return policy.StripPrefix(r.StripPrefix, p.avoids(r, policy.ReplacePrefix(r.StripPrefix, "/"))), nil
	}
	if r.Rewrite == nil {
		return nil, nil
	}
	change, err := policy.NewPathChange(*r.Rewrite, r.Path)
	if err != nil {
		return nil, fmt.Errorf("rewrite: %w", err)
	}
	return policy.Rewrite(change, p.avoids(r, change)), nil
}

// avoids returns the check of rewritten paths of a route.
func (p *policies) avoids(r *config.Route, change policy.PathChange) func(*http.Request) bool {
	own := r.Path
	if changed, ok := change((&url.URL{Path: r.Path}).EscapedPath()); ok {
		if decoded, err := url.PathUnescape(changed); err == nil {
			own = decoded
		}
	}
	guarded := slices.ContainsFunc(p.cfg.Routes, func(other config.Route) bool { return other.To == r.To && other.Guarded() })
	if !guarded {
		return func(*http.Request) bool { return false }
	}
	return func(req *http.Request) bool { return p.router.avoids(req, r, own) }
}
