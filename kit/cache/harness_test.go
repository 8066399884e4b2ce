package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/position"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// table is a database with one table.
type table struct {
	mu    sync.Mutex
	rows  map[string]int
	log   uint64
	loads atomic.Int64
	fail  atomic.Bool
	slow  time.Duration
	hold  chan struct{} // loads wait until it is closed
}

func newTable() *table { return &table{rows: map[string]int{}} }

// load is a Loader that reads from the primary.
func (t *table) load(ctx context.Context, key string) (int, error) {
	t.loads.Add(1)
	if t.slow > 0 && !sleep(ctx, t.slow) {
		return 0, ctx.Err()
	}
	if t.hold != nil {
		<-t.hold
	}
	if t.fail.Load() {
		return 0, errors.New("the database does not answer")
	}
	position.Report(ctx, position.Primary)
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.rows[key]
	if !ok {
		return 0, fmt.Errorf("row %q: %w", key, ErrNotFound)
	}
	return v, nil
}

// set commits a new value and returns the position of the commit.
func (t *table) set(key string, v int) position.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[key] = v
	t.log++
	return pos(1, t.log)
}

// patient is a time limit that no machine reaches, so that the result of a test does not depend on it.
const patient = 10 * time.Second

// newClockedCache returns a cache on a real server. The function moves the clock of the store.
func newClockedCache(t testing.TB, db *table, o *Options[string, int]) (*Cache[string, int], func(time.Duration)) {
	t.Helper()
	if o == nil {
		o = &Options[string, int]{}
	}
	o.Tuning.L1Lease, o.Tuning.StoreTimeout = time.Minute, cmp.Or(o.Tuning.StoreTimeout, patient)
	store, clock := newClockedStore(t, "test/1")
	c, err := New(store.client, "test", db.load, o)
	if err != nil {
		t.Fatal(err)
	}
	c.store = store
	forgetLostNodes(t, c)
	return c, clock.pass
}

// newCache returns a cache on the server behind client.
func newCache(t testing.TB, client rueidis.Client, name string, db *table, o *Options[string, int]) *Cache[string, int] {
	t.Helper()
	c, err := New(client, name, db.load, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forgetLostNodes saves a test the wait for nodes that a new store cannot know.
func forgetLostNodes[K comparable, V any](t testing.TB, c *Cache[K, V]) {
	t.Helper()
	members, err := c.store.members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.remove(t.Context(), slices.Collect(maps.Keys(members.live))...); err != nil {
		t.Fatal(err)
	}
}

// startRun starts Run and waits until level 1 serves.
func startRun[K comparable, V any](t testing.TB, c *Cache[K, V]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	eventually(t, "level 1 serves", func() bool { return c.valid(c.subscription.Load()) })
	return stop
}

func get(t testing.TB, c *Cache[string, int], key string) int {
	t.Helper()
	v, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return v
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

// command runs one command on a server and returns its reply as text.
func command(t testing.TB, client rueidis.Client, words ...string) string {
	t.Helper()
	m, err := client.Do(context.Background(), client.B().Arbitrary(words...).Build().Pin()).ToMessage()
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	return m.String()
}

// startServer starts a server for one test.
func startServer(t testing.TB, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, append([]string{"--repl-diskless-sync-delay", "0"}, args...)...)
}
