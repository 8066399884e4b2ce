package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/server"
)

// serveOptions are what differs between the verbs that run services.
type serveOptions struct {
	logs   *server.Logs
	access bool                 // log a record per request
	opened func(*server.Server) // called once when all addresses are open
	ready  func(*server.Server) // called once when every service has all its nodes; nil for no call
}

// serve runs the services of cfg until ctx ends, then stops them. The second signal ends that stop at once. After an
// error at the start, no process and no file is left.
func serve(ctx context.Context, t *terminal, cfg *config.Config, o serveOptions) error {
	t.serving.Store(true)
	s, err := newServer(cfg, o.logs, o.access)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		if errors.As(err, new(*console.ListenError)) {
			return hinted(err, "another --admin address, or --admin off; a second tenfold needs its own")
		}
		return err
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
func newServer(cfg *config.Config, logs *server.Logs, access bool) (*server.Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program of this process: %w", err)
	}
	o := &server.Options{Log: logs.Events, Logs: logs, Reaper: []string{self, "reaper"}, MemoryStore: []string{self, "memory-store"}}
	if access {
		o.Access = logs.Access
	}
	s, err := server.New(cfg, o)
	if errors.As(err, new(*server.ConfigError)) {
		return nil, usageError(err, "")
	}
	return s, err
}
