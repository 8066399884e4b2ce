package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/certificate"
)

// killTimeout limits how long Run waits for the handlers of requests that were cancelled.
const killTimeout = 5 * time.Second

// Listen opens the addresses of the configuration, so that a port that is in use is reported before anything starts. It
// returns a *ListenError, and then no address is open.
func (g *Gateway) Listen() error {
	s := g.current.Load()
	if err := g.certificates.Open(); err != nil {
		return err
	}
	opened, err := g.openAll(s.cfg.Listeners())
	if err != nil {
		return err
	}
	g.adoptListeners(s, opened)
	return nil
}

// Serving returns the addresses that do more than redirect to https, in the order of the configuration. secure reports for
// each whether it speaks TLS.
func (g *Gateway) Serving() (addresses []net.Addr, secure []bool) {
	for _, l := range g.listeners() {
		if s := l.settings(); !s.redirect {
			addresses, secure = append(addresses, l.socket.Addr()), append(secure, s.tls)
		}
	}
	return addresses, secure
}

// Certificates describes the certificates of the gateway.
func (g *Gateway) Certificates() []certificate.Status { return g.certificates.Certificates() }

func (g *Gateway) listeners() []*listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open // replaced when it changes, never modified
}

// Run serves until ctx ends. It then accepts no more connections and lets the requests and the upgraded connections
// finish, for at most Config.Drain or until Kill is called; after that it cancels the rest. Run returns an error,
// after the same steps, when a listener fails.
func (g *Gateway) Run(ctx context.Context) error {
	// The pools, the policies and the engines work until the last request has ended.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var running sync.WaitGroup
	running.Go(func() { g.tasks.run(background) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-g.failed:
	}
	close(g.draining)
	g.drain()
	g.Kill()
	g.requests.wait(killTimeout)
	stopBackground()
	running.Wait()
	return err
}

// serve runs an engine on a listener.
func (g *Gateway) serve(l *listener, f *frontend) {
	g.tasks.add(func(context.Context) {
		if err := f.Serve(f.inlet); err != nil {
			select {
			case g.failed <- fmt.Errorf("serve %s: %w", l.socket.Addr(), err):
			default: // another one has failed before
			}
		}
	})
}

// drain accepts no more connections, and returns when all requests and upgraded connections have finished, after
// Config.Drain, or after Kill.
func (g *Gateway) drain() {
	limit := g.current.Load().cfg.Drain
	if g.drained.Load() {
		limit = time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if n := g.tunnels.len(); n > 0 {
		g.log.Info("waiting for upgraded connections", "open", n, "at_most_s", limit.Seconds())
	}
	err := g.shutdown(ctx)
	if open := g.tunnels.wait(ctx); open > 0 || err != nil {
		g.log.Warn("drain is over: cancelling the remaining requests", "upgraded", open, "err", err)
	}
}

// shutdown closes all addresses, and lets the requests on their connections finish until ctx ends.
func (g *Gateway) shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.stopping = true
	listeners := slices.Concat(g.open, g.closing)
	g.mu.Unlock()
	for _, l := range listeners {
		l.close()
	}
	var all sync.WaitGroup
	errs := make([]error, len(listeners))
	for i, l := range listeners {
		all.Go(func() { errs[i] = l.shutdown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Kill ends the drain of a Run that is stopping, for example at the second signal: it cancels all requests and closes
// all connections, so that Run returns. It may be called more than once.
func (g *Gateway) Kill() {
	g.tunnels.kill()
	g.mu.Lock()
	listeners, idempotent := slices.Concat(g.open, g.closing), g.idempotent
	g.mu.Unlock()
	for _, l := range listeners {
		l.kill()
	}
	if idempotent != nil {
		idempotent.Kill()
	}
}
