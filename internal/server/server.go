// Package server is the running system: it builds all parts of a tenfold, joins them, and starts and stops them.
//
// It is the only package that joins the gateway and the fleet. The fleet tells the gateway which nodes exist
// (fleet.Watch to gateway.Update). The gateway tells the fleet when a node is ready and when its last request is over
// (fleet.Traffic).
//
// # Start
//
//	New     builds the parts; nothing is opened or started
//	Open    1. finds the command of each service
//	        2. opens the addresses of the gateway, then the admin address
//	        3. opens the store, which may start a private redis-server; one at a URL may be away
//	Run     starts all parts together: their addresses are open already, so their order does not matter
//
// # Reload
//
// A reload changes nothing until all that can fail is done:
//
//  1. reads the file and compares it with what runs; keys that cannot change are problems
//  2. looks for the commands of the nodes that it would start
//  3. gateway.Prepare  builds routes, policies, certificates and pools, and opens new addresses
//  4. fleet.Add        starts the nodes of new services, which get ready
//  5. Commit           requests that begin now see the new configuration
//  6. fleet.Update     replaces the nodes of services that run with something else, one by one
//  7. fleet.Remove     drains the nodes of services that are gone
//
// # Stop
//
// When the context of Run ends, or when a part fails, the parts stop one after the other. Each one is gone before the
// next one is asked to stop:
//
//	gateway    accepts no new connections and lets requests finish, for at most drain
//	fleet      drains all nodes at once, then ends them
//	reloads    a reload that is in progress ends
//	node sets  the link from fleet to gateway
//	store      ends after the nodes that use it
//	console    ends last, so that it can be asked about the others
//
// Kill ends the drains of the gateway and the fleet at once. The order stays the same.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/lease"
	"github.com/tenfold-go/tenfold/internal/socket"
	"github.com/tenfold-go/tenfold/internal/status"
	"github.com/tenfold-go/tenfold/internal/store"
	"github.com/tenfold-go/tenfold/internal/succession"
	"github.com/tenfold-go/tenfold/internal/systemd"
)

// Options tune a Server. Zero fields mean their defaults.
type Options struct {
	Log    *slog.Logger // what happens to services, nodes and listeners; default: discard
	Access *slog.Logger // one record per request; default: none
	Logs   *Logs        // their dropped records become a metric, and they get the output of the nodes; default: none
	// Reaper is the command line of a program that calls [process.RunReaper]. Default: none, so that only the kernel
	// ends the nodes of a tenfold that is killed.
	Reaper []string
	// Limiter is the command line of a program that calls [process.RunLimited]. Default: none; services with limits do not
	// start.
	Limiter []string
	// MemoryStore is the command line of a program that calls [store.RunMemoryServer]. Default: none, so that a store in
	// memory is a part of this process.
	MemoryStore []string
	// AdminToken is accepted by the admin address when the file has no token. Default: none.
	AdminToken string

	Version string // of this program, for GET /api/version
	Commit  string

	// Sockets has the listeners, with those of systemd. Default: none are inherited.
	Sockets  *socket.Set
	Notifier *systemd.Notifier // default: there is no service manager
	// Program returns what a successor of this process runs. Default: none, so that an upgrade is refused.
	Program func() succession.Program
	// Inherited is what this process has from the one that it succeeds: then TakeOver must be called. Default: it succeeds
	// none.
	Inherited *Inherited

	// Load reads the configuration again for a reload, with everything that wins over the file. Default: none, so that a
	// reload is refused.
	Load func() (*config.File, error)
	// Reloaded is called after another configuration, and possibly other addresses, began to serve. Default: none.
	Reloaded func()
}

// Server is a running tenfold. The order of calls is New, Open, Run, Close. Close may follow New or Open, too.
type Server struct {
	cfg     atomic.Pointer[config.Config] // what runs
	log     *slog.Logger
	logs    *Logs           // nil for none
	process *process.Driver // of owned services, and of the private server of the store
	store   *store.Store
	tasks   *lease.Tasks // shared with the tenfolds that use the same store
	gateway *gateway.Gateway
	fleet   *fleet.Fleet
	status  *status.View
	console *console.Console

	sockets    *socket.Set
	notifier   *systemd.Notifier
	token      string
	identity   status.Version
	operations operations
	program    func() succession.Program // nil when there is none
	inherited  *Inherited                // nil when there is no predecessor
	ready      map[string][]string       // ids of adopted nodes that were ready, by service
	handedOver chan struct{}             // closed when a successor serves
	done       *succeeded                // set before handedOver is closed

	load     func() (*config.File, error) // nil when there is no file
	reloaded func()                       // nil for no call
	reloads  reloads
	metrics  *metrics

	deploying struct {
		sync.Mutex
		services map[string]bool // those with a deploy or rollback that is not finished
	}
}

// New builds a Server of cfg. It fails with a [*ConfigError] when a part cannot work with its configuration.
func New(cfg *config.Config, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	err := checkUsers(cfg.Services)
	if err != nil {
		return nil, err
	}
	m := newMetrics()
	s := &Server{
		log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), logs: o.Logs, load: o.Load, reloaded: o.Reloaded, reloads: newReloads(), metrics: m,
		notifier: o.Notifier, token: o.AdminToken, program: o.Program, inherited: o.Inherited, handedOver: make(chan struct{}),
		identity: status.Version{Version: o.Version, Commit: o.Commit, PID: os.Getpid(), Started: time.Now()},
	}
	if s.sockets, err = o.sockets(); err != nil {
		return nil, err
	}
	s.deploying.services = map[string]bool{}
	s.cfg.Store(cfg)
	if s.process, err = s.newDriver(o); err != nil {
		return nil, fmt.Errorf("make process driver: %w", err)
	}
	if s.store, err = store.New(cfg.Store, &store.Options{Log: o.Log, Start: s.startStore, MemoryServer: o.MemoryStore}); err != nil {
		return nil, &ConfigError{err, "redis://[:PASSWORD@]host:6379, auto or none"}
	}
	s.tasks = lease.New(s.store, &lease.Options{Log: o.Log})
	m.registerStore(func() bool { return s.store.Health().Up })
	s.gateway, err = gateway.New(cfg, &gateway.Options{
		Log: o.Log, Access: o.Access, Metrics: m.gateway, Store: s.store, Listen: s.sockets.Listen,
	})
	if err != nil {
		return nil, &ConfigError{err, ""}
	}
	s.fleet, err = fleet.New(s.services(), s.newTraffic(), &fleet.Options{
		Log: o.Log, Metrics: m.fleet, Env: s.env, Once: s.once, Done: s.tasks.Have,
	})
	if err != nil {
		return nil, err
	}
	s.status = status.New(cfg, s.fleet, s.gateway, s.storeStatus)
	s.console = s.newConsole(cfg, o)
	if s.inherited != nil {
		if err := s.adopt(s.inherited); err != nil {
			return nil, fmt.Errorf("adopt the former process: %w", err)
		}
	}
	return s, nil
}

// newDriver returns the driver of the nodes, which continues that of a predecessor.
func (s *Server) newDriver(o *Options) (*process.Driver, error) {
	driver := &process.Options{Log: o.Log, Reaper: o.Reaper, Limiter: o.Limiter}
	if o.Logs != nil {
		s.metrics.registerDropped(o.Logs.Streams())
		driver.Output = o.Logs.NodeOutput
	}
	if s.inherited == nil {
		return process.New(driver)
	}
	o.Logs.adopt(s.inherited.state.Lines)
	return process.Adopt(driver, s.inherited.state.Process, s.inherited.reaper)
}

func (s *Server) newConsole(cfg *config.Config, o *Options) *console.Console {
	options := &console.Options{Log: o.Log, Token: o.AdminToken, Version: s.identity, Listen: s.sockets.ListenAdmin}
	if o.Logs != nil {
		options.Logs = o.Logs.ReadLast
	}
	return console.New(cfg.Admin, s.status, operator{s.fleet, s}, s.metrics.handler(), options)
}

// sockets returns the listeners of the server. Those of a successor accept no connections before TakeOver.
func (o *Options) sockets() (*socket.Set, error) {
	if o.Inherited != nil {
		return socket.NewSet(o.Inherited.sockets)
	}
	set := o.Sockets
	if set == nil {
		var err error
		if set, err = socket.NewSet(nil); err != nil {
			return nil, err
		}
	}
	set.Start()
	return set, nil
}

// config returns the configuration that runs.
func (s *Server) config() *config.Config { return s.cfg.Load() }

// services gives each service of the configuration what runs its nodes.
func (s *Server) services() []fleet.Service {
	cfg := s.config()
	all := make([]fleet.Service, len(cfg.Services))
	for i := range cfg.Services {
		all[i] = s.fleetService(&cfg.Services[i])
	}
	return all
}

// fleetService gives a service what runs its nodes.
func (s *Server) fleetService(c *config.Service) fleet.Service {
	service := fleet.Service{Service: *c}
	if c.Kind() == config.Owned {
		service.Driver = s.process
	}
	return service
}

// startStore runs the private server of the store.
func (s *Server) startStore(ctx context.Context, id string, argv []string) (store.Process, error) {
	return s.process.Start(ctx, fleet.Spec{ID: id, Run: argv})
}

// once runs a task of the fleet, unless another tenfold with the same store does. Without a store, no other one does.
func (s *Server) once(ctx context.Context, t fleet.Task) error {
	if s.store.URL() == "" {
		return t.Run(ctx, 0)
	}
	return s.tasks.Once(ctx, t.Service, t.Version, t.Again, t.Run)
}

// env tells every node where the store is.
func (s *Server) env() []string {
	if url := s.store.URL(); url != "" {
		return []string{"REDIS_URL=" + url}
	}
	return nil
}

// Open opens everything that can fail before a node is started: see the start order of the package. After an error,
// Close closes what is open.
func (s *Server) Open(ctx context.Context) error {
	if err := findCommands(s.config().Services, s.log); err != nil {
		return err
	}
	if err := s.gateway.Listen(); err != nil { // first: a free admin address must not take one of these
		return err
	}
	if err := s.console.Listen(); err != nil {
		return err
	}
	for _, address := range s.sockets.CloseUnused() {
		s.log.Warn("an inherited socket is not used: no address of the configuration has its port", "address", address)
	}
	return s.store.Open(ctx)
}

// Run runs all parts until ctx ends or a part fails, then stops them in the stop order of the package. It returns the
// errors of the parts.
func (s *Server) Run(ctx context.Context) error { return runParts(ctx, s.parts(), s.log) }

// parts lists the parts in their stop order.
func (s *Server) parts() []part {
	return []part{
		{"gateway", s.gateway.Run},
		{"fleet", s.fleet.Run},
		{"reloads", s.runReloads},
		{"node sets", s.passNodeSets},
		{"tasks", s.tasks.Run},
		{"store", s.store.Run},
		{"console", s.console.Run},
	}
}

// passNodeSets gives the gateway every set of nodes that the fleet publishes.
func (s *Server) passNodeSets(ctx context.Context) error {
	for set := range s.fleet.Watch(ctx) {
		s.gateway.Update(set)
	}
	return nil
}

// Kill ends every drain of a Run that stops: requests are cancelled and nodes are forced to end.
func (s *Server) Kill() {
	s.gateway.Kill()
	s.fleet.Kill()
}

// Close closes the admin address and ends the processes that are left. It must be called after Run, or instead of it.
func (s *Server) Close() error {
	return errors.Join(s.console.Close(), s.process.Close())
}

// AwaitReady waits until every service that the fleet runs has all its wanted nodes ready. It returns the error of ctx
// when that ends first.
func (s *Server) AwaitReady(ctx context.Context) error { return s.status.AwaitReady(ctx) }
