package ratelimit

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tenfold-go/tenfold/internal/store"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// patient is for tests of what happens, not of how long it takes: machines that run them may be busy.
const patient = time.Minute

// memory is a store whose time is a clock's.
type memory struct {
	*miniredis.Miniredis
	clock
}

var epoch = time.Unix(2_000_000_000, 0)

func newMemory(t testing.TB) *memory {
	t.Helper()
	m := &memory{Miniredis: miniredis.RunT(t)}
	m.ClockTTL(true)
	m.SetTime(epoch)
	return m
}

func (m *memory) sleep(d time.Duration) {
	m.clock.sleep(d)
	m.SetTime(epoch.Add(time.Duration(m.Load())))
}

// gateway is one of a fleet under the store's clock.
func (m *memory) gateway(t testing.TB, name string) *Limits {
	t.Helper()
	limits := New(nil, nil)
	limits.now = m.clock.Load
	limits.fleet = newFleet(limits.metrics, nil, patient)
	var a asker = ledger{redistest.Connect(t, m.Addr(), redistest.NoRetry), name}
	limits.fleet.asker.Store(&a)
	return limits
}

// open opens a store, which runs until the test ends.
func open(t testing.TB, spec string) *store.Store {
	t.Helper()
	s, err := store.New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	untilEnd(t, s.Run)
	return s
}

// running is the limits of one gateway, which count for the fleet when it returns.
func running(t testing.TB, s *store.Store, o *Options) *Limits {
	t.Helper()
	limits := New(s, o)
	limits.used = true
	untilEnd(t, limits.Run)
	await(t, "the fleet is up", limits.fleet.up)
	return limits
}

func untilEnd(t testing.TB, run func(context.Context) error) {
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

// await returns when what is said to happen has happened.
func await(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}
