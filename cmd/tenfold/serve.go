package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/filewatch"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/runfile"
	"github.com/tenfold-go/tenfold/internal/server"
	listening "github.com/tenfold-go/tenfold/internal/socket"
	"github.com/tenfold-go/tenfold/internal/systemd"
)

// serveOptions are what differs between the verbs that run services.
type serveOptions struct {
	logs   *server.Logs
	opened func(*server.Server) // called once when all addresses are open
	ready  func(*server.Server) // called once when every service has all its nodes; nil for no call
	record *runfile.Record      // how other verbs find this tenfold; nil when they do not

	upgrades  bool              // the command line makes the same tenfold again
	inherited *server.Inherited // from the process that this one succeeds; nil for none

	load    func() (*config.File, error) // reads the configuration again; nil when that is not possible
	reloads reloadRequests               // nil when they come by the admin address only
	sources *filewatch.Tree              // the nodes restart when it changes; nil for none
}

// serve runs the services of cfg until ctx ends, then stops them. The second signal ends that stop at once. After an
// error at the start, no process and no file is left. After an upgrade it passes on signals to the process that serves,
// and returns the exit code of that.
func serve(ctx context.Context, t *terminal, cfg *config.Config, o serveOptions) error {
	t.serving.Store(true)
	if os.Getpid() == 1 {
		go process.CollectOrphans(context.WithoutCancel(ctx), nil)
	}
	notifier, err := systemd.FromEnvironment()
	if err != nil {
		return usageError(err, "a service manager sets it")
	}
	err = serveParts(ctx, t, cfg, o, notifier)
	if err != nil {
		notifier.Stopping(err.Error())
	}
	return err
}

func serveParts(ctx context.Context, t *terminal, cfg *config.Config, o serveOptions, notifier *systemd.Notifier) error {
	token := cmp.Or(cfg.Admin.Token, rand.Text())
	if o.inherited != nil {
		token = o.inherited.Token
	}
	var s *server.Server
	var p atomic.Pointer[published] // a reload may come while it is written
	s, err := newServer(t, cfg, o, notifier, token, func() { p.Load().update(s) })
	if err != nil {
		return err
	}
	defer func() { p.Load().remove() }() // last: the others wait for it
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		if errors.As(err, new(*console.ListenError)) {
			return hinted(err, "another --admin address, or --admin off; a second tenfold needs its own")
		}
		return explainTaken(err)
	}
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	running := make(chan error, 1)
	go func() { running <- s.Run(ctx) }()
	former := 0
	if o.inherited != nil {
		former = o.inherited.PID
		if err := s.TakeOver(ctx); err != nil {
			return err // this process has nothing yet: it ends at once
		}
	}
	if o.record != nil {
		p.Store(publish(*o.record, s, token, former, o.logs.Events))
	}
	if o.inherited == nil {
		o.opened(s)
		notifier.Status("starting")
		go notifyReady(ctx, s, notifier)
	}
	go notifier.Watch(ctx, s.Healthy)
	go upgradeOnSignal(ctx, s)
	hard, cancel := t.untilKilled(ctx)
	defer cancel()
	defer context.AfterFunc(hard, s.Kill)()
	reloading, endReloads := context.WithCancel(ctx)
	defer endReloads()
	go o.reloads.serve(reloading, s)
	if o.sources != nil {
		go o.sources.Run(reloading, func(file string) { s.RestartAll(reloading, file) })
	}
	if o.ready != nil {
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			if s.AwaitReady(waiting) == nil {
				o.ready(s)
			}
		}()
	}
	select {
	case err := <-running:
		return err
	case <-ctx.Done():
		notifier.Stopping("draining")
		return <-running
	case <-s.Orphaned():
		o.logs.Events.Error("draining: the supervisor process has ended")
		notifier.Stopping("draining")
		drain()
		return <-running
	case <-s.HandedOver():
		endReloads()
		p.Load().remove()
		s.Leave(hard)
		drain()
	}
	if err := <-running; err != nil {
		o.logs.Events.Error("this process did not end as it should after the upgrade", "err", err)
	}
	if code := s.Supervise(); code != 0 {
		return exit(code)
	}
	return nil
}

// notifyReady tells the service manager when every service has all its nodes.
func notifyReady(ctx context.Context, s *server.Server, notifier *systemd.Notifier) {
	if s.AwaitReady(ctx) == nil {
		notifier.Ready("serving " + strings.Join(s.URLs(), ", "))
	}
}

// upgradeOnSignal upgrades at each SIGUSR2 until ctx ends. The server logs what comes of it.
func upgradeOnSignal(ctx context.Context, s *server.Server) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	for {
		select {
		case <-signals:
			s.Upgrade(ctx)
		case <-ctx.Done():
			return // the signal stays handled: it would end the process
		}
	}
}

// newServer builds the server. An error in the configuration has the exit code of wrong usage.
func newServer(
	t *terminal, cfg *config.Config, so serveOptions, notifier *systemd.Notifier, token string, reloaded func(),
) (*server.Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program of this process: %w", err)
	}
	o := &server.Options{
		Log: so.logs.Events, Logs: so.logs, Reaper: []string{self, "reaper"}, Limiter: []string{self, "limit"}, MemoryStore: []string{self, "memory-store"}, AdminToken: token,
		Load: so.load, Reloaded: reloaded, Notifier: notifier, Inherited: so.inherited,
	}
	o.Version, o.Commit = buildVersion()
	if so.upgrades && runtime.GOOS == "linux" {
		if o.Program, err = newProgram(t, notifier); err != nil {
			return nil, err
		}
	}
	passed, err := listening.FromSystemd()
	if err == nil {
		o.Sockets, err = listening.NewSet(passed)
	}
	if err != nil {
		return nil, usageError(err, "a service manager sets LISTEN_FDS: only with sockets for TCP")
	}
	o.Access = so.logs.Access
	s, err := server.New(cfg, o)
	if errors.As(err, new(*server.ConfigError)) {
		return nil, usageError(err, "")
	}
	return s, err
}
