package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/store"
)

// serveOptions are what differs between the verbs that run a fleet.
type serveOptions struct {
	log    string       // auto, text, json
	access bool         // a record per request
	opened func(*house) // called once when all addresses are open
	ready  func(*house) // called once when every service has all its nodes; nil for nothing
}

// house is a running tenfold: all rooms, joined.
type house struct {
	cfg     *config.Config
	log     *slog.Logger
	metrics prometheus.Registerer
	gateway *gateway.Gateway
	fleet   *fleet.Fleet
	driver  *process.Driver
	store   *store.Store
	console *console.Console
}

// serve builds the house, opens its addresses and keeps it until the first signal; what fails before that leaves nothing
// behind.
func serve(t *terminal, cfg *config.Config, o serveOptions) error {
	logs := newLogs(t.stderr, o.log)
	defer logs.Close()
	if !o.access {
		logs.access = nil
	}
	h, err := build(t, cfg, logs)
	if err != nil {
		return err
	}
	defer h.driver.Close()
	defer h.console.Close()
	if err := findCommands(cfg); err != nil {
		return err
	}
	if err := h.console.Listen(); err != nil {
		return hinted(err, "another --admin address, or --admin off; a second tenfold needs its own")
	}
	if err := h.gateway.Listen(); err != nil {
		return err
	}
	ctx, cancel := either(t.ctx, t.now)
	defer cancel()
	if err := h.store.Open(ctx); err != nil {
		return err
	}
	if err := h.raise(); err != nil {
		return err
	}
	o.opened(h)
	return h.run(ctx, t.now, o.ready)
}

// findCommands looks for each service's command, so that a misspelt one is said before anything is started.
func findCommands(cfg *config.Config) error {
	for _, s := range cfg.Services {
		if len(s.Run) == 0 {
			continue
		}
		command := s.Run[0]
		if strings.Contains(command, "/") && !filepath.IsAbs(command) {
			command = filepath.Join(s.Dir, command)
		}
		if _, err := exec.LookPath(command); err != nil {
			if e := (*exec.Error)(nil); errors.As(err, &e) {
				err = e.Err
			}
			return hinted(fmt.Errorf("service %q: command %q: %w", s.Name, command, err),
				"is it installed, on the PATH and executable? A relative path starts at "+s.Dir)
		}
	}
	return nil
}

// build makes the rooms that come before the store is open.
func build(t *terminal, cfg *config.Config, logs *logs) (h *house, err error) {
	log := logs.events
	h = &house{cfg: cfg, log: log}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find tenfold's own program: %w", err)
	}
	h.driver, err = process.New(&process.Options{Output: t.stdout, Log: log, Keeper: []string{self, "keeper"}})
	if err != nil {
		return nil, err
	}
	h.store, err = store.New(cfg.Store, &store.Options{Log: log, Start: h.startProgram})
	if err != nil {
		return nil, usageError(err, "redis://[:PASSWORD@]host:6379, auto or none")
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h.gateway, err = gateway.New(cfg, &gateway.Options{Log: log, Access: logs.access, Metrics: registry, Store: h.store})
	if err != nil {
		return nil, usageError(err, "")
	}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	h.console = console.New(cfg.Admin, (*rooms)(h), metrics)
	h.metrics = registry
	return h, nil
}

// raise makes the fleet, whose nodes are told where the open store is.
func (h *house) raise() (err error) {
	var env []string
	if url := h.store.URL(); url != "" {
		env = append(env, "REDIS_URL="+url)
	}
	h.fleet, err = fleet.New(h.cfg.Services, h.driver, h.gateway, &fleet.Options{Log: h.log, Registerer: h.metrics, Env: env})
	return err
}

// startProgram runs what the store needs on the same driver as the nodes: it ends with us, however we end.
func (h *house) startProgram(ctx context.Context, id string, argv []string) (store.Process, error) {
	return h.driver.Start(ctx, fleet.Spec{ID: id, Run: argv})
}

// run keeps all rooms running until ctx ends or one of them fails, and ends them in the order in which requests flow: the
// gateway drains, then the fleet stops, then the store that the nodes used, then the console. now cuts it short.
func (h *house) run(ctx, now context.Context, ready func(*house)) error {
	stop := context.AfterFunc(now, func() {
		h.gateway.Cut()
		h.fleet.Kill()
	})
	defer stop()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	watching, endWatch := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() {
		for set := range h.fleet.Watch(watching) {
			h.gateway.Update(set)
		}
	})
	gateway := begin(ctx, fail, h.gateway.Run)
	fleet := begin(ctx, fail, h.fleet.Run)
	store := begin(ctx, fail, h.store.Run)
	console := begin(ctx, fail, h.console.Run)

	if ready != nil {
		watch.Go(func() {
			if h.awaitReady(ctx) == nil {
				ready(h)
			}
		})
	}
	<-ctx.Done()
	errs := []error{gateway.end(), fleet.end(), store.end(), console.end()}
	endWatch()
	watch.Wait()
	return errors.Join(errs...)
}

// awaitReady returns when every service has all its nodes ready, or when ctx ends.
func (h *house) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc((*rooms)(h).Services(), func(s console.Service) bool { return s.Ready < s.Wanted }) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// room is one running part of the house.
type room struct {
	cancel context.CancelFunc
	done   chan error
}

// begin starts a room that outlives ctx until end is called. A room that returns with an error ends the house.
func begin(ctx context.Context, fail context.CancelCauseFunc, run func(context.Context) error) *room {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &room{cancel, make(chan error, 1)}
	go func() {
		err := run(own)
		if err != nil {
			fail(err)
		}
		r.done <- err
	}()
	return r
}

func (r *room) end() error {
	r.cancel()
	return <-r.done
}

// urls are the gateway's addresses as a person types them.
func (h *house) urls() (all []string) {
	scheme := "http"
	if h.cfg.TLS != nil {
		scheme = "https"
	}
	for _, a := range h.gateway.Addrs() {
		host, port, _ := net.SplitHostPort(a.String())
		if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
			host = "localhost"
		}
		all = append(all, scheme+"://"+net.JoinHostPort(host, port))
	}
	return all
}
