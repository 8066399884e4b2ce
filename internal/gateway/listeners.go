package gateway

import (
	"context"
	"crypto/tls"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/engine"
	"github.com/tenfold-go/tenfold/internal/gateway/engine/std"
)

// openAll returns the listeners of the addresses. It opens those that are not open yet. It returns a *ListenError, and
// then it has opened none.
func (g *Gateway) openAll(addresses []string) (all []*listener, err error) {
	free := slices.Clone(g.listeners())
	for _, address := range addresses {
		if i := slices.IndexFunc(free, func(l *listener) bool { return l.address == address }); i >= 0 {
			all = append(all, free[i])
			free = slices.Delete(free, i, i+1)
			continue
		}
		l, err := g.listen(address)
		if err != nil {
			g.closeNew(all)
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// closeNew closes those of the listeners that the gateway has not adopted.
func (g *Gateway) closeNew(all []*listener) {
	open := g.listeners()
	for _, l := range all {
		if !slices.Contains(open, l) {
			l.close()
		}
	}
}

// adoptListeners makes the listeners serve the state, and drains the others.
func (g *Gateway) adoptListeners(s *state, all []*listener) {
	g.mu.Lock()
	old := g.open
	if g.stopping {
		g.mu.Unlock()
		g.closeNew(all)
		return
	}
	g.open = all
	g.mu.Unlock()
	for _, l := range all {
		g.serveState(l, s)
		if !slices.Contains(old, l) {
			g.tasks.add(l.serve)
		}
	}
	for _, l := range old {
		if !slices.Contains(all, l) {
			g.drainListener(l, s.cfg)
		}
	}
}

// serveState gives a listener an engine for the state, unless the one that it has has the same settings. The engine that
// it had keeps its connections, and ends after the last one.
func (g *Gateway) serveState(l *listener, s *state) {
	settings := settingsOf(s.cfg)
	if l.has(settings) {
		return
	}
	f := g.newFrontend(l, settings)
	old := l.replace(f)
	g.serve(l, f)
	if old == nil {
		return
	}
	empty := old.inlet.retire()
	g.tasks.add(func(ctx context.Context) {
		select {
		case <-empty:
		case <-ctx.Done():
		}
		old.Engine.Close()
		l.forget(old)
	})
}

// drainListener closes a listener that has left the configuration, and lets the requests on its connections finish.
func (g *Gateway) drainListener(l *listener, cfg *config.Config) {
	l.close()
	g.mu.Lock()
	g.closing = append(g.closing[:len(g.closing):len(g.closing)], l)
	g.mu.Unlock()
	g.tasks.add(func(ctx context.Context) {
		limited, cancel := context.WithTimeout(ctx, cfg.Drain)
		defer cancel()
		l.shutdown(limited)
		l.kill()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.closing = slices.DeleteFunc(slices.Clone(g.closing), func(other *listener) bool { return other == l })
	})
}

// engineSettings are the settings that an engine is made with. A change of them needs another engine.
type engineSettings struct {
	limits config.Limits
	tls    bool
	h2c    bool
}

// settingsOf returns the settings for a configuration. It leaves out the limits that engines have nothing to do with.
func settingsOf(cfg *config.Config) engineSettings {
	l := cfg.Limits
	l.BodyBytes, l.BodyGrace, l.BodyRate, l.Connections, l.ConnectionsPerClient = 0, 0, 0, 0, 0
	return engineSettings{l, cfg.TLS != nil, cfg.H2C}
}

func (g *Gateway) newFrontend(l *listener, s engineSettings) *frontend {
	m := g.options.Metrics
	o := &engine.Options{Limits: s.limits, H2C: s.h2c, Log: g.log, ConnOpened: m.connections.Inc, ConnClosed: m.connections.Dec}
	if s.tls {
		// The configuration of a connection is that of the state at its handshake. Session tickets outlive a change: their
		// keys are those of this tls.Config.
		o.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return g.current.Load().tls, nil
		}}
	}
	return &frontend{Engine: std.New(g, g.limit, o), settings: s, inlet: newInlet(l.socket.Addr())}
}
