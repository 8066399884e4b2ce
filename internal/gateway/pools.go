package gateway

import (
	"context"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
)

// pool is the pool of one service. It stays the same while the service is in the configuration, so that its
// connections, its counts and the states of its nodes survive a change.
type pool struct {
	*upstream.Pool
	run *task

	// Requests that have a route to the service, and that no node holds yet. Set when the service leaves the
	// configuration: its nodes must not drain before these requests have reached one of them.
	waiting pending
	leaving chan struct{} // closed when the service has left the configuration
}

// pools are the pools that run: those of the current state, those of a state that is prepared, and those of services
// that drain after they left the configuration.
type pools struct {
	mu     sync.RWMutex
	byName map[string]*pool
}

func (ps *pools) get(service string) *pool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.byName[service]
}

func (ps *pools) add(service string, p *pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byName[service] = p
}

// remove takes out the pool, if it is still the one of the service.
func (ps *pools) remove(service string, p *pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.byName[service] == p {
		delete(ps.byName, service)
	}
}

func (ps *pools) all() []*pool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	all := make([]*pool, 0, len(ps.byName))
	for _, p := range ps.byName {
		all = append(all, p)
	}
	return all
}

// left reports whether the service has left the configuration.
func (p *pool) left() bool {
	select {
	case <-p.leaving:
		return true
	default:
		return false
	}
}

// update passes a set of nodes on. It ignores a set of a service that has left the configuration: the set may announce a
// drain, and a request that began before may still be on its way to a node. drain follows.
func (p *pool) update(set node.Set) {
	if !p.left() {
		p.Update(set)
	}
}

// drain is Pool.Drain. For a service that has left the configuration, it first waits for the requests that began before.
func (p *pool) drain(ctx context.Context, id string) error {
	if p.left() {
		select {
		case <-p.waiting.none:
		case <-ctx.Done():
		}
	}
	return p.Drain(ctx, id)
}
