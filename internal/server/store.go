package server

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
	"github.com/tenfold-go/tenfold/internal/store"
)

// sharedStore is the store with the driver of its private server. The driver is not that of the nodes: their ids cannot
// collide, and the store can outlive the nodes.
type sharedStore struct {
	*store.Store
	driver *process.Driver
}

func newStore(spec string, o *Options, output io.Writer) (*sharedStore, error) {
	driver, err := newDriver(o, output)
	if err != nil {
		return nil, err
	}
	s := &sharedStore{driver: driver}
	s.Store, err = store.New(spec, &store.Options{Log: o.Log, Start: s.startProgram})
	return s, err
}

// startProgram runs the private server of the store.
func (s *sharedStore) startProgram(ctx context.Context, id string, argv []string) (store.Process, error) {
	return s.driver.Start(ctx, fleet.Spec{ID: id, Run: argv})
}

// env tells a node where the store is.
func (s *sharedStore) env() []string {
	if url := s.URL(); url != "" {
		return []string{"REDIS_URL=" + url}
	}
	return nil
}

func (s *sharedStore) close() error { return s.driver.Close() }

// newDriver makes a driver for processes whose lines go to output.
func newDriver(o *Options, output io.Writer) (*process.Driver, error) {
	d, err := process.New(&process.Options{Output: output, Log: o.Log, Keeper: o.Reaper})
	if err != nil {
		return nil, fmt.Errorf("make process driver: %w", err)
	}
	return d, nil
}

// lockedWriter lets several drivers share one writer. A nil writer discards everything.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	if l.w == nil {
		return len(p), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
