package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Next is a configuration that the gateway is ready to serve: all that can fail has been done. Commit makes the gateway
// serve it, Abort gives it up. One of them must be called before the next call of Prepare.
type Next struct {
	gateway *Gateway
	builder *builder
	state   *state
	places  []place // in the order of the configuration; listeners that are open already are among them
}

// Prepare gets the gateway ready for another configuration, and changes nothing that serves. It reads the files that the
// configuration names, opens new addresses, and makes the pools of new services. These run at once, so that AwaitReady
// works for their nodes. Calls of Prepare must not overlap.
func (g *Gateway) Prepare(ctx context.Context, cfg *config.Config) (*Next, error) {
	old := g.current.Load()
	n := &Next{gateway: g, builder: &builder{Gateway: g, cfg: cfg}}
	var err error
	if n.state, err = n.builder.state(old); err != nil {
		n.undo()
		return nil, err
	}
	if n.places, err = g.openAll(cfg.Listeners()); err != nil {
		n.undo()
		return nil, err
	}
	if v := n.state.policies.verifier; v != nil && (old.policies.verifier == nil || v != old.policies.verifier) {
		limited, cancel := context.WithTimeout(ctx, keysTimeout)
		defer cancel()
		if err := v.AwaitKeys(limited); err != nil { // otherwise every token would be refused from now on
			g.closeNew(n.places)
			n.undo()
			return nil, err
		}
	}
	for name, p := range n.state.pools {
		if old.pools[name] == nil {
			g.startPool(name, p)
		}
	}
	return n, nil
}

// Commit makes the gateway serve the new configuration. Requests that have begun keep the old one. After Commit, the
// nodes of the services that are gone may drain; Finish must follow.
func (n *Next) Commit() *Replaced {
	g, old := n.gateway, n.gateway.current.Load()
	for _, commit := range n.builder.commits {
		commit()
	}
	g.adopt(n.state)
	close(old.replaced)
	g.adoptListeners(n.state, n.places)
	select {
	case <-old.arriving.retire():
	case <-time.After(arrivalTimeout):
	}
	r := &Replaced{gateway: g, cfg: old.cfg, pools: make(map[string]*pool)}
	for name, p := range old.pools {
		if n.state.pools[name] == nil {
			g.pools.leave(name)
			p.waiting.retire()
			r.pools[name] = p
		}
	}
	if v := old.policies.verifier; v != nil && v != n.state.policies.verifier {
		g.tasks.add(v.stopLater)
	}
	return r
}

// keysTimeout limits how long Prepare waits for the keys of tokens.
const keysTimeout = 15 * time.Second

// arrivalTimeout limits how long Commit waits for the requests that have no route yet. They get one within microseconds.
const arrivalTimeout = time.Second

// Abort gives the new configuration up. The nodes of its new services must be gone.
func (n *Next) Abort() {
	old := n.gateway.current.Load()
	for name, p := range n.state.pools {
		if old.pools[name] == nil {
			p.run.stop()
			n.gateway.pools.remove(p)
		}
	}
	n.gateway.closeNew(n.places)
	n.undo()
}

// undo ends the tasks of the new state.
func (n *Next) undo() {
	for _, t := range n.builder.started {
		t.stop()
	}
}

// Replaced is what a new configuration has no use for.
type Replaced struct {
	gateway *Gateway
	cfg     *config.Config
	pools   map[string]*pool // by service
}

// Finish ends the pools of the services that are gone. Their last requests may take as long as the drain of the service.
func (r *Replaced) Finish() {
	for i := range r.cfg.Services {
		name, drain := r.cfg.Services[i].Name, r.cfg.Services[i].Drain
		p := r.pools[name]
		if p == nil {
			continue
		}
		r.gateway.tasks.add(func(ctx context.Context) {
			limited, cancel := context.WithTimeout(ctx, drain)
			defer cancel()
			p.DrainAll(limited)
			p.run.stop()
			r.gateway.pools.remove(p)
		})
	}
}

// adopt makes s the current state.
func (g *Gateway) adopt(s *state) {
	for name, p := range s.pools {
		if g.pools.get(name) != p {
			g.startPool(name, p)
		}
	}
	g.perClient.set(s.cfg)
	log := g.log
	if old := g.current.Load(); old != nil && old.cfg.Limits.Connections == s.cfg.Limits.Connections {
		log = slog.New(slog.DiscardHandler) // what is to say about the limit was logged before
	}
	g.limit.Set(maxConnections(s.cfg, log, g.options.Metrics))
	g.certificates.Use(s.certificates)
	g.current.Store(s)
}

// startPool makes a pool known and runs it.
func (g *Gateway) startPool(service string, p *pool) {
	p.run = g.tasks.add(func(ctx context.Context) { p.Run(ctx) })
	g.pools.add(service, p)
}
