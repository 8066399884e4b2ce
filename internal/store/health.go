package store

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Health says whether a store answers.
type Health struct {
	Up    bool
	Err   error     // why it does not answer; nil if Up
	Since time.Time // when Up had another value last
}

// checkPause is the time between two checks of the store.
const checkPause = time.Second

// health holds the result of the last check, and the connection for the next one. The checks have a connection of their
// own: a command with a deadline would break a shared one.
type health struct {
	mu     sync.Mutex
	last   Health         // guarded by mu
	client rueidis.Client // nil: connect first; used by one goroutine, like cancel
	cancel func()         // closes the connections of client
}

// Health returns the result of the last check. It is known after Open. A store of kind none is always up.
func (s *Store) Health() Health {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.last
}

// set records the result of a check and reports whether it differs from the last one.
func (h *health) set(err error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	up := err == nil
	if changed = h.last.Since.IsZero() || h.last.Up != up; changed {
		h.last.Since = time.Now()
	}
	h.last.Up, h.last.Err = up, err
	return changed
}

// watch checks the store until ctx ends, and logs once when it is lost and once when it answers again.
func (s *Store) watch(ctx context.Context) {
	option, err := rueidis.ParseURL(s.URL())
	if s.URL() == "" || err != nil {
		return // New has parsed the URL already
	}
	defer s.health.disconnect()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkPause):
		}
		err := s.health.check(ctx, option)
		if ctx.Err() != nil {
			return
		}
		switch changed := s.health.set(err); {
		case changed && err != nil:
			s.log.Warn("store does not answer", "store", s.Describe(), "err", err)
		case changed:
			s.log.Info("store answers", "store", s.Describe())
		}
	}
}

// check sends a PING. After an error the next check connects again, so that it finds a server that has moved.
func (h *health) check(ctx context.Context, o rueidis.ClientOption) error {
	if h.client == nil {
		own, cancel := context.WithCancel(ctx)
		client, err := connectOnce(own, o)
		if err != nil {
			cancel()
			return err
		}
		h.client, h.cancel = client, cancel
	}
	if err := pingOnce(ctx, h.client); err != nil {
		h.disconnect()
		return err
	}
	return nil
}

func (h *health) disconnect() {
	if h.client != nil {
		h.cancel() // first, because Close would wait for a server that hangs
		h.client.Close()
		h.client = nil
	}
}
