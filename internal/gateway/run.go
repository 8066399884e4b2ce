package gateway

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// killTimeout limits how long Run waits for the handlers of requests that were cancelled.
const killTimeout = 5 * time.Second

// Listen opens the addresses of the configuration, so that a port that is in use is reported before anything starts. It
// returns a *ListenError, and then no address is open.
func (g *Gateway) Listen() error {
	for _, address := range g.cfg.Listen {
		l, err := listen(address, g.cfg, g.perClient, g.log)
		if err != nil {
			for _, l := range g.listeners {
				l.Close()
			}
			return err
		}
		g.listeners = append(g.listeners, l)
	}
	return nil
}

// Addrs returns the addresses that Listen has opened.
func (g *Gateway) Addrs() (all []net.Addr) {
	for _, l := range g.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Run serves until ctx ends. It then accepts no more connections and lets the requests and the upgraded connections
// finish, for at most Config.Drain or until Kill is called; after that it cancels the rest. Run returns an error,
// after the same steps, when a listener fails.
func (g *Gateway) Run(ctx context.Context) error {
	// The pools and the policies work until the last request has ended.
	backgroundCtx, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var background, serving sync.WaitGroup
	for _, p := range g.pools {
		background.Go(func() { p.Run(backgroundCtx) })
	}
	for _, run := range g.policies.runs {
		background.Go(func() { run(backgroundCtx) })
	}
	failed := make(chan error, len(g.listeners))
	for _, l := range g.listeners {
		serving.Go(func() {
			if err := g.engine.Serve(l); err != nil {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	g.drain()
	g.Kill()
	g.requests.wait(killTimeout)
	serving.Wait()
	stopBackground()
	background.Wait()
	return err
}

// drain accepts no more connections, and returns when all requests and upgraded connections have finished, after
// Config.Drain, or after Kill.
func (g *Gateway) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Drain)
	defer cancel()
	if n := g.tunnels.len(); n > 0 {
		g.log.Info("waiting for upgraded connections", "open", n, "at_most_s", g.cfg.Drain.Seconds())
	}
	err := g.engine.Shutdown(ctx)
	if open := g.tunnels.wait(ctx); open > 0 || err != nil {
		g.log.Warn("drain is over: cancelling the remaining requests", "upgraded", open, "err", err)
	}
}

// Kill ends the drain of a Run that is stopping, for example at the second signal: it cancels all requests and closes
// all connections, so that Run returns. It may be called more than once.
func (g *Gateway) Kill() {
	g.tunnels.kill()
	g.engine.Close()
	for _, kill := range g.policies.kills {
		kill()
	}
}
