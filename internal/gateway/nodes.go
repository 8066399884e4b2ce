package gateway

import (
	"context"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/gateway/affinity"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/internal/sample"
)

// proxy returns the proxy to a service. Its transport is the service's pool, and above it the steps that work on the
// requests to nodes and on their responses. It returns nil for "": a route without a service.
func (b *builder) proxy(service string) http.Handler {
	if service == "" {
		return nil
	}
	pool := b.byName[service]
	c := serviceOf(b.cfg, service)
	p := &proxy{
		transport: pool.sessions.Transport(pool), tunnels: &b.tunnels, repeats: c.Retry.Tries > 1, upgrades: c.Upgrade,
	}
	if cookie := c.Sticky; cookie != "" {
		p.transport = policy.Sticky(cookie, pool, p.transport)
	}
	return p
}

// Update replaces the set of nodes of a service. It ignores a service that gets no requests.
func (g *Gateway) Update(set node.Set) {
	g.pools.update(set)
}

// AwaitReady returns when the node gets requests. It returns at once for a node of a service that gets no requests. It
// returns an error when ctx ends first.
func (g *Gateway) AwaitReady(ctx context.Context, service, id string) error {
	if p := g.pools.get(service); p != nil {
		return p.AwaitReady(ctx, id)
	}
	return nil
}

// Drain sends no more requests to the node. It returns when the node has none left; when ctx ends first, it cancels
// them and returns an error.
func (g *Gateway) Drain(ctx context.Context, service, id string) error {
	return g.pools.drain(ctx, service, id)
}

// Nodes returns the state of each node of a service. It returns nil for a service that gets no requests.
func (g *Gateway) Nodes(service string) []upstream.Status {
	if p := g.pools.get(service); p != nil {
		return p.Nodes()
	}
	return nil
}

// Breaker returns the state of a service's circuit breaker: closed, open or half-open. It returns "" for a service that
// gets no requests.
func (g *Gateway) Breaker(service string) string {
	if p := g.pools.get(service); p != nil {
		return p.Breaker().String()
	}
	return ""
}

// InFlight returns the number of requests and upgraded connections of a node, or 0 for an unknown node.
func (g *Gateway) InFlight(id string) int {
	for _, p := range g.pools.all() {
		if n, ok := p.InFlight(id); ok {
			return n
		}
	}
	return 0
}

// SessionsInNodes returns what says that a service keeps the sessions of its visitors in the memory of its nodes, or nil.
func (g *Gateway) SessionsInNodes(service string) *affinity.Found {
	if p := g.pools.get(service); p != nil {
		return p.sessions.Found()
	}
	return nil
}

// Hung returns why a node is hung: see [upstream.Pool.Hung]. It returns "" for a service that gets no requests.
func (g *Gateway) Hung(service, id string) string {
	if p := g.pools.get(service); p != nil {
		return p.Hung(id)
	}
	return ""
}

// Sample returns the newest sample of a service's traffic. It returns false for a service that gets no requests.
func (g *Gateway) Sample(service string) (sample.Sample, bool) {
	if p := g.pools.get(service); p != nil {
		return p.Sample(), true
	}
	return sample.Sample{}, false
}
