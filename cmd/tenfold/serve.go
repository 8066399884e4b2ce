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

// serving is a tenfold that serves, in this process.
type serving struct {
	t        *terminal
	options  serveOptions
	notifier *systemd.Notifier
	server   *server.Server
	record   atomic.Pointer[published] // a reload may come while it is written
	ended    chan error                // gets the result of the server's Run
}

func serveParts(ctx context.Context, t *terminal, cfg *config.Config, o serveOptions, notifier *systemd.Notifier) error {
	token := cmp.Or(cfg.Admin.Token, rand.Text())
	if o.inherited != nil {
		token = o.inherited.Token
	}
	v := &serving{t: t, options: o, notifier: notifier, ended: make(chan error, 1)}
	var err error
	v.server, err = newServer(t, cfg, o, notifier, token, func() { v.record.Load().update(v.server) })
	if err != nil {
		return err
	}
	defer func() { v.record.Load().remove() }() // last: other verbs wait for it
	defer v.server.Close()
	if err := v.open(ctx); err != nil {
		return err
	}
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	go func() { v.ended <- v.server.Run(ctx) }()
	if err := v.announce(ctx, token); err != nil {
		return err
	}
	hard, cancel := t.untilKilled(ctx)
	defer cancel()
	defer context.AfterFunc(hard, v.server.Kill)()
	reloading, endReloads := context.WithCancel(ctx)
	defer endReloads()
	v.follow(ctx, reloading)
	select {
	case err := <-v.ended:
		return err
	case <-ctx.Done():
		return v.drain()
	case <-v.server.Orphaned():
		o.logs.Events.Error("draining: the supervisor process has ended")
		drain()
		return v.drain()
	case <-v.server.HandedOver():
		endReloads()
		return v.leave(hard, drain)
	}
}

// open opens the addresses and the store.
func (v *serving) open(ctx context.Context) error {
	err := v.server.Open(ctx)
	if errors.As(err, new(*console.ListenError)) {
		return hinted(err, "another --admin address, or --admin off; a second tenfold needs its own")
	}
	return explainTaken(err)
}

// announce tells other verbs, the caller and the service manager that this process serves. A successor takes over first:
// when that fails, this process must end at once, because it has nothing yet.
func (v *serving) announce(ctx context.Context, token string) error {
	o, former := v.options, 0
	if o.inherited != nil {
		former = o.inherited.PID
		if err := v.server.TakeOver(ctx); err != nil {
			return err
		}
	}
	if o.record != nil {
		v.record.Store(publish(*o.record, v.server, token, former, o.logs.Events))
	}
	if o.inherited == nil {
		o.opened(v.server)
		v.notifier.Status("starting")
		go notifyReady(ctx, v.server, v.notifier)
	}
	return nil
}

// follow starts what goes on until ctx ends: the watchdog, upgrades and the wait for the nodes. Reloads and restarts end with
// reloading.
func (v *serving) follow(ctx, reloading context.Context) {
	o, s := v.options, v.server
	go v.notifier.Watch(ctx, s.Healthy)
	go upgradeOnSignal(ctx, s)
	go o.reloads.serve(reloading, s)
	if o.sources != nil {
		go o.sources.Run(reloading, func(file string) { s.RestartAll(reloading, file) })
	}
	if o.ready != nil {
		go func() {
			if s.AwaitReady(ctx) == nil {
				o.ready(s)
			}
		}()
	}
}

// drain waits until the server has drained. The context of its Run has ended.
func (v *serving) drain() error {
	v.notifier.Stopping("draining")
	return <-v.ended
}

// leave ends this process after an upgrade. The first process then stays as the supervisor.
func (v *serving) leave(hard context.Context, drain func()) error {
	v.record.Load().remove()
	v.server.Leave(hard)
	drain()
	if err := <-v.ended; err != nil {
		v.options.logs.Events.Error("this process did not end as it should after the upgrade", "err", err)
	}
	if code := v.server.Supervise(); code != 0 {
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
		Log: so.logs.Events, Access: so.logs.Access, Logs: so.logs, AdminToken: token,
		Reaper: []string{self, "reaper"}, Limiter: []string{self, "limit"}, MemoryStore: []string{self, "memory-store"},
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
	s, err := server.New(cfg, o)
	if errors.As(err, new(*server.ConfigError)) {
		return nil, usageError(err, "")
	}
	return s, err
}
