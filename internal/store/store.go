// Package store provides the state that all nodes and gateways share: a Redis or Valkey server.
//
// The server is one of three: the one at a URL; a private redis-server or valkey-server, when the PATH has one; or the
// memory server, which is a part of this program. The last two run as separate processes. Nodes find the store in
// REDIS_URL, so a service in any language uses its usual client. When one machine is too small, only the URL changes.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"sync"

	"github.com/redis/rueidis"
)

// Options tune a Store. Zero fields mean their defaults.
type Options struct {
	Log *slog.Logger // default: discard
	// Start runs a program that ends with tenfold. "auto" uses it to start a server. Default: none, so "auto" keeps
	// everything in the memory of this process.
	Start func(ctx context.Context, id string, argv []string) (Process, error)
	// MemoryServer is the command line of a program that calls [RunMemoryServer] with the argument that is added to it:
	// this program, with a verb for it. "auto" starts it when the PATH has no other server. Default: as without Start.
	MemoryServer []string
	// LookPath finds programs. Default: exec.LookPath.
	LookPath func(name string) (string, error)
}

// Store is the shared state of one tenfold. The order of calls is Open, then Run. URL is known after Open. Its methods
// are safe for concurrent use after Open.
type Store struct {
	log     *slog.Logger
	backend backend
	client  connection
	health  health
}

// backend is one way to have a Redis server.
type backend interface {
	open(ctx context.Context) error
	run(ctx context.Context) error
	url() string
	describe() string
}

// New chooses the backend. spec is "none", "auto", or a redis:// or rediss:// URL. New starts nothing. It fails when
// the URL is malformed.
func New(spec string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	switch {
	case spec == "none":
		s.backend = none{}
	case spec == "auto":
		s.backend = auto(o, s.log)
	default:
		opt, err := rueidis.ParseURL(spec)
		if err != nil {
			if e := (*url.Error)(nil); errors.As(err, &e) {
				err = e.Err // without the URL, which has a password
			}
			return nil, fmt.Errorf("parse store URL %s: %w", redacted(spec), err)
		}
		s.backend = remote{spec, opt}
	}
	return s, nil
}

// auto prefers a real server, because production uses one and it has all commands.
func auto(o *Options, log *slog.Logger) backend {
	lookPath := o.LookPath
	if lookPath == nil {
		lookPath = exec.LookPath
	}
	if o.Start != nil {
		for _, name := range []string{"redis-server", "valkey-server"} {
			if path, err := lookPath(name); err == nil {
				return &private{command: []string{path}, name: name, start: o.Start, log: log}
			}
		}
		if len(o.MemoryServer) > 0 {
			return &private{command: o.MemoryServer, name: "memory server", start: o.Start, log: log}
		}
	}
	return &embedded{}
}

// Open makes the store ready. It fails with a [*RefusedError] when the server at a URL refuses this client, and when a
// private server does not start. A server at a URL that does not answer is no error: Open logs it, and Run and Client
// connect when it answers.
func (s *Store) Open(ctx context.Context) error {
	err := s.backend.open(ctx)
	if err != nil && !errors.As(err, new(*unreachableError)) {
		return err
	}
	s.health.set(err)
	if err != nil {
		s.log.Warn("store does not answer: tenfold starts without it", "store", s.Describe(), "err", err)
	}
	return nil
}

// Run keeps the store working until ctx ends. Then it closes the shared client and ends what Open has started.
func (s *Store) Run(ctx context.Context) error {
	defer s.client.close()
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { s.watch(ctx) })
	return s.backend.run(ctx)
}

// URL returns the address of the store, with its password, or "" without a store.
func (s *Store) URL() string { return s.backend.url() }

// Describe names the kind of store in a few words, without secrets.
func (s *Store) Describe() string { return s.backend.describe() }

// none is the backend of a tenfold without a store.
type none struct{}

func (none) open(context.Context) error    { return nil }
func (none) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (none) url() string                   { return "" }
func (none) describe() string              { return "none" }
