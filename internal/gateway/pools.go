package gateway

import (
	"context"
	"slices"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/affinity"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
)

// pool is the pool of one service. It stays the same while the service is in the configuration, so that its
// connections, its counts and the states of its nodes survive a change.
type pool struct {
	*upstream.Pool
	run      *task
	sessions *affinity.Watch

	// waiting counts the requests that have a route to the service, and that no node holds yet. After the service has
	// left the configuration, its nodes must not drain before these requests have reached one of them.
	waiting pending
}

// pools are the pools that run: those of the current state and of one that is prepared, and those of services that have
// left the configuration and drain. A service that comes back gets another pool.
type pools struct {
	mu      sync.RWMutex
	byName  map[string]*pool
	leaving map[string][]*pool
}

func newPools() pools {
	return pools{byName: make(map[string]*pool), leaving: make(map[string][]*pool)}
}

// get returns the pool of a service, or nil. When the service has left the configuration, it returns a pool that drains.
func (ps *pools) get(service string) *pool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	if p := ps.byName[service]; p != nil || len(ps.leaving[service]) == 0 {
		return p
	}
	return ps.leaving[service][0]
}

func (ps *pools) add(service string, p *pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byName[service] = p
}

// leave marks the pool of a service that has left the configuration.
func (ps *pools) leave(service string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.leaving[service] = append(ps.leaving[service], ps.byName[service])
	delete(ps.byName, service)
}

// remove forgets a pool.
func (ps *pools) remove(p *pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for name, current := range ps.byName {
		if current == p {
			delete(ps.byName, name)
		}
	}
	for name, all := range ps.leaving {
		if ps.leaving[name] = slices.DeleteFunc(all, func(other *pool) bool { return other == p }); len(ps.leaving[name]) == 0 {
			delete(ps.leaving, name)
		}
	}
}

func (ps *pools) all() (all []*pool) {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	for _, p := range ps.byName {
		all = append(all, p)
	}
	for _, some := range ps.leaving {
		all = append(all, some...)
	}
	return all
}

// update passes a set of nodes on to the pool of the configuration. A service that has left it is left out: the set may
// announce a drain, and a request that began before may still be on its way to a node. drain follows.
func (ps *pools) update(set node.Set) {
	ps.mu.RLock()
	p := ps.byName[set.Service]
	ps.mu.RUnlock()
	if p != nil {
		for _, n := range set.Nodes {
			p.sessions.Version(n.Version)
		}
		p.Update(set)
	}
}

// drain drains a node in all pools of its service. When the service has left the configuration, it first waits for the
// requests that began before.
func (ps *pools) drain(ctx context.Context, service, id string) error {
	ps.mu.RLock()
	leaving := slices.Clone(ps.leaving[service])
	p := ps.byName[service]
	ps.mu.RUnlock()
	for _, old := range leaving {
		select {
		case <-old.waiting.none:
		case <-ctx.Done():
		}
		if err := old.Drain(ctx, id); err != nil {
			return err
		}
	}
	if p == nil {
		return nil
	}
	return p.Drain(ctx, id)
}
