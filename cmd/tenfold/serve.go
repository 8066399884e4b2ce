package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/runfile"
	"github.com/tenfold-go/tenfold/internal/server"
)

// serveOptions are what differs between the verbs that run services.
type serveOptions struct {
	logs   *server.Logs
	access bool                 // log a record per request
	opened func(*server.Server) // called once when all addresses are open
	ready  func(*server.Server) // called once when every service has all its nodes; nil for no call
	record *runfile.Record      // how other verbs find this tenfold; nil when they do not

	load func() (*config.File, error) // reads the configuration again; nil when that is not possible
}

// serve runs the services of cfg until ctx ends, then stops them. The second signal ends that stop at once. After an
// error at the start, no process and no file is left.
func serve(ctx context.Context, t *terminal, cfg *config.Config, o serveOptions) error {
	t.serving.Store(true)
	token := cmp.Or(cfg.Admin.Token, rand.Text())
	var s *server.Server
	var p *published
	s, err := newServer(cfg, o, token, func() { p.update(s) })
	if err != nil {
		return err
	}
	defer func() { p.remove() }() // last: the others wait for it
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		if errors.As(err, new(*console.ListenError)) {
			return hinted(err, "another --admin address, or --admin off; a second tenfold needs its own")
		}
		return explainTaken(err)
	}
	if o.record != nil {
		p = publish(*o.record, s, token, o.logs.Events)
	}
	o.opened(s)
	hard, cancel := t.untilKilled(ctx)
	defer cancel()
	defer context.AfterFunc(hard, s.Kill)()
	if o.ready != nil {
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			if s.AwaitReady(waiting) == nil {
				o.ready(s)
			}
		}()
	}
	return s.Run(ctx)
}

// newServer builds the server. An error in the configuration has the exit code of wrong usage.
func newServer(cfg *config.Config, so serveOptions, token string, reloaded func()) (*server.Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program of this process: %w", err)
	}
	o := &server.Options{
		Log: so.logs.Events, Logs: so.logs, Reaper: []string{self, "reaper"}, Limiter: []string{self, "limit"}, MemoryStore: []string{self, "memory-store"}, AdminToken: token,
		Load: so.load, Reloaded: reloaded,
	}
	if so.access {
		o.Access = so.logs.Access
	}
	s, err := server.New(cfg, o)
	if errors.As(err, new(*server.ConfigError)) {
		return nil, usageError(err, "")
	}
	return s, err
}
