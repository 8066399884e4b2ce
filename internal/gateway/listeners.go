package gateway

import (
	"context"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/engine"
	"github.com/tenfold-go/tenfold/internal/gateway/engine/std"
)

// place is a listener, and how the configuration wants it.
type place struct {
	*listener
	as config.Listener
}

// openAll returns the listeners of the addresses. It opens those that are not open yet. It returns a *ListenError, and
// then it has opened none. An optional address that cannot be opened is left out.
func (g *Gateway) openAll(wanted []config.Listener) (all []place, err error) {
	free := slices.Clone(g.listeners())
	for _, as := range wanted {
		if i := slices.IndexFunc(free, func(l *listener) bool { return l.address == as.Address }); i >= 0 {
			all = append(all, place{free[i], as})
			free = slices.Delete(free, i, i+1)
			continue
		}
		l, err := g.listen(as.Address)
		switch {
		case err != nil && as.Optional:
			g.log.Info("requests to this address are not redirected to https: it cannot be opened", "address", as.Address, "err", err,
				"hint", "free the port, or set tls: {redirect: off}")
			continue
		case err != nil:
			g.closeNew(all)
			return nil, err
		}
		all = append(all, place{l, as})
	}
	return all, nil
}

// closeNew closes those of the listeners that the gateway has not adopted.
func (g *Gateway) closeNew(all []place) {
	open := g.listeners()
	for _, p := range all {
		if !slices.Contains(open, p.listener) {
			p.close()
		}
	}
}

// adoptListeners makes the listeners serve the state, and drains the others.
func (g *Gateway) adoptListeners(s *state, all []place) {
	listeners := make([]*listener, len(all))
	for i, p := range all {
		listeners[i] = p.listener
	}
	g.mu.Lock()
	old := g.open
	if g.stopping {
		g.mu.Unlock()
		g.closeNew(all)
		return
	}
	for _, p := range all { // before the listeners are visible: each has an engine
		g.serveState(p, s)
	}
	g.open = listeners
	g.mu.Unlock()
	g.certificates.ServesPlainHTTP(slices.ContainsFunc(all, func(p place) bool { return !p.as.TLS }))
	for _, l := range listeners {
		if !slices.Contains(old, l) {
			g.tasks.add(l.serve)
		}
	}
	for _, l := range old {
		if !slices.Contains(listeners, l) {
			g.drainListener(l, s.cfg)
		}
	}
}

// serveState gives a listener an engine for the state, unless the one that it has has the same settings. The engine that
// it had keeps its connections, and ends after the last one.
func (g *Gateway) serveState(p place, s *state) {
	l, settings := p.listener, settingsOf(s.cfg, p.as)
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

	redirect bool // requests without TLS are redirected to https
}

// settingsOf returns the settings for a configuration. It leaves out the limits that engines have nothing to do with.
func settingsOf(cfg *config.Config, as config.Listener) engineSettings {
	l := cfg.Limits
	l.BodyBytes, l.BodyGrace, l.BodyRate, l.Connections, l.ConnectionsPerClient = 0, 0, 0, 0, 0
	return engineSettings{limits: l, tls: as.TLS, h2c: cfg.H2C, redirect: as.Redirect}
}

func (g *Gateway) newFrontend(l *listener, s engineSettings) *frontend {
	m := g.options.Metrics
	o := &engine.Options{Limits: s.limits, H2C: s.h2c, Redirect: s.redirect, Log: g.log, ConnOpened: m.connections.Inc, ConnClosed: m.connections.Dec}
	if s.tls {
		o.TLS = g.certificates.Config() // it chooses the certificate of the current state, at the handshake
	}
	return &frontend{Engine: std.New(g, g.limit, o), settings: s, inlet: newInlet(l.socket.Addr())}
}
