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

// fleet is what all gateways know together, while the store is there.
type fleet struct {
	patience time.Duration
	metrics  *metrics
	log      *slog.Logger
	connect  func() (asker, error) // may take seconds
	asker    atomic.Pointer[asker] // nil while the store is away
	broken   chan error            // one message when it goes away

	mu    sync.Mutex // of calls' first Add, and ended
	ended bool
	calls sync.WaitGroup
}

// asker runs a question, until ctx is cancelled. It is a ledger, or a test's.
type asker interface {
	ask(ctx context.Context, key string, l limit, q question) (answer, error)
}

var (
	errAway = errors.New("the store is away")
	errSlow = errors.New("the store did not answer in time")
)

// pause is how long the store is left alone after it was away.
const pause = time.Second

func newFleet(m *metrics, log *slog.Logger, patience time.Duration) *fleet {
	return &fleet{patience: patience, metrics: m, log: log, broken: make(chan error, 1)}
}

// connector connects by the client that all of tenfold's rooms share.
func (f *fleet) connector(s *store.Store) func() (asker, error) {
	name := rand.Text()
	return func() (asker, error) {
		c, err := s.Client()
		if err != nil {
			return nil, err
		}
		return ledger{c, name}, nil
	}
}

func (f *fleet) up() bool { return f.asker.Load() != nil }

// run connects, waits until the store is away, and connects again.
func (f *fleet) run(ctx context.Context) {
	defer f.end()
	said := false
	for {
		err := f.try()
		switch {
		case errors.Is(err, store.ErrNone):
			<-ctx.Done()
			return
		case err == nil:
			if said {
				f.log.Info("rate limits are counted for the fleet again")
			}
			said = false
			select {
			case <-ctx.Done():
				return
			case err = <-f.broken:
			}
		}
		if !said {
			f.log.Warn("rate limits are counted by each gateway alone: the store is away", "err", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// try asks what a request would ask, so that a store that answers but refuses the script is away too.
func (f *fleet) try() error {
	a, err := f.connect()
	if err != nil {
		return err
	}
	once := newLimit(config.Rate{Requests: 1, Per: time.Second}, 1)
	if _, err := f.call(a, "tenfold:rate:try", once, question{need: 1}); err != nil {
		return err
	}
	f.asker.Store(&a)
	f.metrics.up.Set(1)
	return nil
}

// ask returns after the fleet's patience at most. An error takes the store away until run finds it again.
func (f *fleet) ask(key string, l limit, q question) (answer, error) {
	a := f.asker.Load()
	if a == nil {
		return answer{}, errAway
	}
	got, err := f.call(*a, key, l, q)
	if err != nil && f.asker.CompareAndSwap(a, nil) {
		f.metrics.up.Set(0)
		f.broken <- err
	}
	return got, err
}

// call runs the question on a goroutine of its own, because no client promises to be back in time.
func (f *fleet) call(a asker, key string, l limit, q question) (answer, error) {
	if !f.begin() {
		return answer{}, errAway
	}
	type result struct {
		answer
		err error
	}
	ctx, cancel := context.WithCancel(context.Background()) // not a deadline, which would end rueidis' connection
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer f.calls.Done()
		got, err := a.ask(ctx, key, l, q)
		done <- result{got, err}
	}()
	patience := time.NewTimer(f.patience)
	defer patience.Stop()
	var got result
	select {
	case got = <-done:
	case <-patience.C:
		got.err = fmt.Errorf("%w: %v", errSlow, f.patience)
	}
	if got.err != nil {
		f.metrics.failed.Inc()
		return answer{}, got.err
	}
	f.metrics.asked.Inc()
	return got.answer, nil
}

func (f *fleet) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.calls.Add(1)
	}
	return !f.ended
}

// end lets nobody ask any more, and waits for those that do.
func (f *fleet) end() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.calls.Wait()
}
