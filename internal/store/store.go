// Package store is the state behind all nodes: a Redis or Valkey at a URL, a private redis-server or valkey-server where
// one is on PATH, or an embedded one in this process's memory.
//
// Nodes find it in REDIS_URL, so that a service in any language uses its usual client, and outgrowing this machine is a
// change of URL.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Options tune a Store. Zero fields mean their defaults.
type Options struct {
	Log *slog.Logger // default: discard
	// Start runs a program that must not outlive us; "auto" needs it to run a redis-server. Default: none, so that "auto"
	// keeps everything in memory.
	Start func(ctx context.Context, id string, argv []string) (Process, error)
	// LookPath finds programs; default exec.LookPath.
	LookPath func(name string) (string, error)
}

// Process is a program that Options.Start has started.
type Process interface {
	Done() <-chan struct{}          // closed when it has ended
	Err() error                     // how it ended
	Stop(ctx context.Context) error // asks it to end, forces it when ctx ends, and returns when it is gone
}

// Store is the shared state of one tenfold. Open it before Run; URL is known in between. Its methods are safe for
// concurrent use once it is open.
type Store struct {
	log     *slog.Logger
	backend backend
	client  connection
}

// backend is one way to have a Redis.
type backend interface {
	open(ctx context.Context) error
	run(ctx context.Context) error
	url() string
	describe() string
}

// New decides where the state lives: spec is "none", "auto", or a redis:// or rediss:// URL. It starts nothing.
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
				err = e.Err // without the URL, which holds a password
			}
			return nil, fmt.Errorf("parse store URL %s: %w", redacted(spec), err)
		}
		s.backend = remote{spec, opt}
	}
	return s, nil
}

// auto prefers a real server: it is what production will run, with all its commands.
func auto(o *Options, log *slog.Logger) backend {
	lookPath := o.LookPath
	if lookPath == nil {
		lookPath = exec.LookPath
	}
	if o.Start != nil {
		for _, name := range []string{"redis-server", "valkey-server"} {
			if path, err := lookPath(name); err == nil {
				return &private{program: path, start: o.Start, log: log}
			}
		}
	}
	return &embedded{}
}

// Open makes the store answer, or says why it does not.
func (s *Store) Open(ctx context.Context) error { return s.backend.open(ctx) }

// Run keeps the store answering until ctx ends, then ends what Open and Client started.
func (s *Store) Run(ctx context.Context) error {
	defer s.client.close()
	return s.backend.run(ctx)
}

// URL is where nodes find the store; it holds a password. It is empty when there is none.
func (s *Store) URL() string { return s.backend.url() }

// Describe says in a few words, without secrets, what the store is.
func (s *Store) Describe() string { return s.backend.describe() }

// none is no store at all.
type none struct{}

func (none) open(context.Context) error    { return nil }
func (none) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (none) url() string                   { return "" }
func (none) describe() string              { return "none" }

// remote is somebody else's server.
type remote struct {
	address string
	option  rueidis.ClientOption
}

func (r remote) open(ctx context.Context) error {
	if err := ping(ctx, r.option); err != nil {
		return &UnreachableError{URL: redacted(r.address), Err: err}
	}
	return nil
}

func (remote) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (r remote) url() string                 { return r.address }
func (r remote) describe() string            { return redacted(r.address) }

// UnreachableError is a store that does not answer.
type UnreachableError struct {
	URL string // without its password
	Err error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("reach store %s: %v", e.URL, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *UnreachableError) Hint() string {
	if strings.Contains(e.Err.Error(), "WRONGPASS") || strings.Contains(e.Err.Error(), "NOAUTH") {
		return "the server wants another password: redis://:PASSWORD@host:6379"
	}
	return "is the server running, and is the port right? store: auto runs a private one, store: none does without"
}

// pingTimeout is how long a store may take to answer for the first time.
const pingTimeout = 3 * time.Second

func ping(ctx context.Context, o rueidis.ClientOption) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	o.DisableCache = true
	o.DisableRetry = true
	o.Dialer = net.Dialer{Timeout: pingTimeout}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return plain(err)
	}
	defer client.Close()
	return plain(client.Do(ctx, client.B().Ping().Build()).Error())
}

// plain is the innermost reason of a network error: "connect: connection refused".
func plain(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// redacted is a URL that may be shown.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(malformed)"
	}
	if u.User == nil {
		return u.Redacted()
	}
	u.User = url.User("***")
	return strings.Replace(u.String(), "%2A%2A%2A", "***", 1)
}
