package ratelimit

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/store"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// longTimeout is a store timeout for tests that do not test the timeout. The machine may be busy.
const longTimeout = time.Minute

// memoryStore is a store in memory whose time is that of a clock.
type memoryStore struct {
	*miniredis.Miniredis
	clock
}

var epoch = time.Unix(2_000_000_000, 0)

func newMemoryStore(t testing.TB) *memoryStore {
	t.Helper()
	m := &memoryStore{Miniredis: miniredis.RunT(t)}
	m.ClockTTL(true)
	m.SetTime(epoch)
	return m
}

func (m *memoryStore) sleep(d time.Duration) {
	m.clock.sleep(d)
	m.SetTime(epoch.Add(time.Duration(m.Load())))
}

// gateway returns the Limits of one of several gateways. They have the clock of the store.
func (m *memoryStore) gateway(t testing.TB, name string) *Limits {
	t.Helper()
	limits := New(nil, nil)
	limits.now = m.clock.Load
	limits.shared = newShared(limits.metrics, nil, longTimeout)
	var ts tokenStore = storeClient{redistest.Connect(t, m.Addr(), redistest.NoRetry), name}
	limits.shared.store.Store(&ts)
	return limits
}

// openStore opens a store that runs until the end of the test.
func openStore(t testing.TB, spec string) *store.Store {
	t.Helper()
	s, err := store.New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, s.Run)
	return s
}

// newRunning returns running Limits of one gateway, after they have connected to the store.
func newRunning(t testing.TB, s *store.Store, o *Options) *Limits {
	t.Helper()
	limits := New(s, o)
	limits.want()
	runUntilEnd(t, limits.Run)
	await(t, "the store is available", limits.shared.available)
	return limits
}

// runUntilEnd runs run until the end of the test.
func runUntilEnd(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// await waits until a condition is true.
func await(t testing.TB, condition string, isTrue func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !isTrue(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout: not true that %s", condition)
		}
	}
}

// A reload makes the first limiter that counts with the store while Run runs already. Run then connects.
func TestLimiterThatIsMadeWhileRunRuns(t *testing.T) {
	limits := New(openStore(t, "redis://"+newMemoryStore(t).Addr()), nil)
	runUntilEnd(t, limits.Run)
	limiter := limits.Limiter(&config.Route{RateLimit: &config.RateLimit{
		Rate: config.Rate{Requests: 1, Per: time.Hour}, Burst: 1, Scope: config.ScopeFleet,
	}})
	await(t, "the limiter counts with the store", func() bool { return !limiter.countsAlone() })
}
