package gateway

import (
	"net/http"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/sample"
)

// transport returns what sends requests to a service: the service's pool, and above it the steps that work on the requests
// to nodes and on their responses.
func (g *Gateway) transport(service string) http.RoundTripper {
	pool := g.pools[service]
	i := slices.IndexFunc(g.cfg.Services, func(s config.Service) bool { return s.Name == service })
	if cookie := g.cfg.Services[i].Sticky; cookie != "" {
		return policy.Sticky(cookie, pool, pool)
	}
	return pool
}

// Sample returns the newest sample of a service's traffic. It returns false for a service that gets no requests.
func (g *Gateway) Sample(service string) (sample.Sample, bool) {
	if p := g.pools[service]; p != nil {
		return p.Sample(), true
	}
	return sample.Sample{}, false
}
