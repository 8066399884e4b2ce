package ratelimit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/store"
)

// shared is the connection to the store, by which gateways count together.
type shared struct {
	timeout time.Duration
	metrics *Metrics
	log     *slog.Logger
	connect func() (tokenStore, error) // may take seconds
	store   atomic.Pointer[tokenStore] // nil while the store is unavailable
	lost    chan error                 // one message each time the store becomes unavailable

	mu     sync.Mutex // guards closed, and calls.Add
	closed bool
	calls  sync.WaitGroup
}

// tokenStore answers requests for tokens until ctx is cancelled.
type tokenStore interface {
	request(ctx context.Context, key string, l limit, r tokenRequest) (tokenGrant, error)
}

var (
	errUnavailable = errors.New("the store is unavailable")
	errTimeout     = errors.New("the store did not answer in time")
)

// retryPause is the time between two attempts to reach an unavailable store.
const retryPause = time.Second

func newShared(m *Metrics, log *slog.Logger, timeout time.Duration) *shared {
	return &shared{timeout: timeout, metrics: m, log: log, lost: make(chan error, 1)}
}

// connector returns a function that connects to s, with the client that all packages share.
func connector(s *store.Store) func() (tokenStore, error) {
	gateway := rand.Text()
	return func() (tokenStore, error) {
		c, err := s.Client()
		if err != nil {
			return nil, err
		}
		return storeClient{c, gateway}, nil
	}
}

// available reports whether gateways count together at present.
func (s *shared) available() bool { return s.store.Load() != nil }

// run connects to the store, waits until it is lost, and connects again, until ctx ends.
func (s *shared) run(ctx context.Context) {
	defer s.close()
	logged := false
	for {
		err := s.tryConnect()
		switch {
		case errors.Is(err, store.ErrNone):
			<-ctx.Done()
			return
		case err == nil:
			if logged {
				s.log.Info("store available: gateways count rate limits together again")
			}
			logged = false
			select {
			case <-ctx.Done():
				return
			case err = <-s.lost:
			}
		}
		if !logged {
			s.log.Warn("store unavailable: this gateway counts rate limits alone", "err", err)
			logged = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
}

// tryConnect connects and sends a request. So a store that answers, but rejects the script, counts as unavailable.
func (s *shared) tryConnect() error {
	ts, err := s.connect()
	if err != nil {
		return err
	}
	once := newLimit(config.Rate{Requests: 1, Per: time.Second}, 1)
	if _, err := s.call(ts, "tenfold:rate:try", once, tokenRequest{needed: 1}); err != nil {
		return err
	}
	s.store.Store(&ts)
	s.metrics.storeUp.Set(1)
	return nil
}

// request asks the store for tokens and returns after the timeout at the latest. After an error the store is
// unavailable until run reaches it again.
func (s *shared) request(key string, l limit, r tokenRequest) (tokenGrant, error) {
	ts := s.store.Load()
	if ts == nil {
		return tokenGrant{}, errUnavailable
	}
	g, err := s.call(*ts, key, l, r)
	if err != nil && s.store.CompareAndSwap(ts, nil) {
		s.metrics.storeUp.Set(0)
		s.lost <- err
	}
	return g, err
}

// call sends the request on a new goroutine, because a client may return later than the timeout.
func (s *shared) call(ts tokenStore, key string, l limit, r tokenRequest) (tokenGrant, error) {
	if !s.beginCall() {
		return tokenGrant{}, errUnavailable
	}
	type result struct {
		tokenGrant
		err error
	}
	ctx, cancel := context.WithCancel(context.Background()) // without deadline: rueidis would close its connection at one
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer s.calls.Done()
		g, err := ts.request(ctx, key, l, r)
		done <- result{g, err}
	}()
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	var got result
	select {
	case got = <-done:
	case <-timer.C:
		got.err = fmt.Errorf("%w: %v", errTimeout, s.timeout)
	}
	if got.err != nil {
		s.metrics.storeFailed.Inc()
		return tokenGrant{}, got.err
	}
	s.metrics.storeOK.Inc()
	return got.tokenGrant, nil
}

func (s *shared) beginCall() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.calls.Add(1)
	}
	return !s.closed
}

// close rejects further calls and waits for those in progress.
func (s *shared) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
}
