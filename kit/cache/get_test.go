package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

func TestReadGoesFromProcessToStoreToLoader(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, _ := newClockedCache(t, db, nil)
	get(t, c, "a")
	get(t, c, "a")
	if s := c.Stats(); s.Loads != 1 || s.HitsL2 != 1 || s.HitsL1 != 0 {
		t.Errorf("without Run, reads must bypass level 1: %+v", s)
	}
	startRun(t, c)
	get(t, c, "a")
	get(t, c, "a")
	if s := c.Stats(); s.Loads != 1 || s.HitsL2 != 2 || s.HitsL1 != 1 {
		t.Errorf("want one more hit in each level: %+v", s)
	}
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

func TestNotFoundIsRemembered(t *testing.T) {
	db := newTable()
	c, pass := newClockedCache(t, db, &Options[string, int]{Tuning: Tuning{Jitter: -1}})
	for range 3 {
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := db.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	pass(11 * time.Second)
	db.set("a", 1)
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d, want 1 after NegativeTTL", v)
	}
}

func TestStaleValueIsServedDuringOneRefresh(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := newClockedCache(t, db, &Options[string, int]{
		TTL: time.Minute, Stale: time.Hour, Tuning: Tuning{Jitter: -1, Early: -1},
	})
	get(t, c, "a")
	pass(59 * time.Second)
	get(t, c, "a")
	if db.loads.Load() != 1 {
		t.Fatal("loaded again before the end of TTL")
	}
	pass(2 * time.Second)
	db.set("a", 2) // without Invalidate, so that only the TTL ends the old value
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d, want the stale value 1", v)
	}
	eventually(t, "the refresh", func() bool { return get(t, c, "a") == 2 })
	if n := db.loads.Load(); n != 2 {
		t.Errorf("%d loads, want 2", n)
	}
}

func TestStaleValueIsServedWhileTheLoaderFails(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := newClockedCache(t, db, &Options[string, int]{
		TTL: time.Minute, Stale: time.Hour, Tuning: Tuning{Jitter: -1, Early: -1, Retry: 10 * time.Second},
	})
	get(t, c, "a")
	db.fail.Store(true)
	pass(2 * time.Minute)
	get(t, c, "a")
	eventually(t, "the failed refresh releases its lease", func() bool {
		i, err := c.Inspect(t.Context(), "a")
		return err == nil && strings.Contains(i.Reason, "the loader failed a moment ago")
	})
	for range 5 {
		get(t, c, "a")
	}
	if n := db.loads.Load(); n != 2 {
		t.Errorf("%d loads: a failing loader must not be called again within Retry", n)
	}
	if err := c.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(t.Context(), "a"); err == nil {
		t.Errorf("got %d, although it was invalidated", v)
	}
}

func TestEarlyRefreshRunsOnce(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = 50 * time.Millisecond
	c, pass := newClockedCache(t, db, &Options[string, int]{
		TTL: time.Minute, Tuning: Tuning{Jitter: -1, Early: 1e6, FillLease: time.Minute},
	})
	get(t, c, "a")
	pass(30 * time.Second)
	db.hold = make(chan struct{})
	defer close(db.hold)
	for range 20 {
		get(t, c, "a")
	}
	eventually(t, "the refresh", func() bool { return db.loads.Load() == 2 })
	if s := c.Stats(); s.StaleServed != 0 || s.Refreshes != 1 {
		t.Errorf("want one refresh and no stale value: %+v", s)
	}
}

func TestTTLOfOneValue(t *testing.T) {
	db := newTable()
	for key, seconds := range map[string]int{"short": 10, "default": 0, "never": -1} {
		db.set(key, seconds)
	}
	c, pass := newClockedCache(t, db, &Options[string, int]{
		TTL: time.Minute, Stale: -1, Tuning: Tuning{Jitter: -1, Early: -1},
		TTLOf: func(_ string, seconds int) time.Duration { return time.Duration(seconds) * time.Second },
	})
	loadsOf := func(key string) int64 {
		before := db.loads.Load()
		get(t, c, key)
		return db.loads.Load() - before
	}
	for _, key := range []string{"short", "default", "never"} {
		loadsOf(key)
	}
	for _, step := range []struct {
		pass                    time.Duration
		short, standard, always int64
	}{{9 * time.Second, 0, 0, 1}, {2 * time.Second, 1, 0, 1}, {50 * time.Second, 1, 1, 1}} {
		pass(step.pass)
		s, d, n := loadsOf("short"), loadsOf("default"), loadsOf("never")
		if s != step.short || d != step.standard || n != step.always {
			t.Errorf("%s later: %d loads of short, %d of default, %d of never; want %+v", step.pass, s, d, n, step)
		}
	}
}

func TestStaleByDefaultIsTheTTLOfTheValue(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := newClockedCache(t, db, &Options[string, int]{
		TTL: time.Hour, Tuning: Tuning{Jitter: -1, Early: -1},
		TTLOf: func(string, int) time.Duration { return 10 * time.Second },
	})
	get(t, c, "a")
	pass(21 * time.Second)
	db.set("a", 2)
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d, want 2: the value was kept longer than twice its TTL", v)
	}
}

// TestLaggingReplicaDoesNotFill reads from a replica that has not seen the write that was invalidated.
func TestLaggingReplicaDoesNotFill(t *testing.T) {
	var asked []string
	load := func(_ context.Context, _ string, needed position.Position) (int, position.Position, error) {
		asked = append(asked, needed.String())
		if needed == position.Primary {
			return 2, position.Primary, nil
		}
		return 1, pos(1, 6), nil // the replica is at 1/6
	}
	c, err := NewReplicated(startServer(t).Client(), "test", load, &Options[string, int]{
		Tuning: Tuning{L1Lease: 200 * time.Millisecond, StoreTimeout: patient},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.InvalidateAt(t.Context(), pos(1, 7), "a"); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d, want 2", v)
	}
	if got := strings.Join(asked, " "); got != "1/7 primary" {
		t.Errorf("the loader was asked for %s", got)
	}
	if s := c.Stats(); s.Behind != 1 {
		t.Errorf("want one load that was behind: %+v", s)
	}
}

// TestPositionsTravelInTheContext is the same with a Loader and a context that carries the commit.
func TestPositionsTravelInTheContext(t *testing.T) {
	replica := pos(1, 6)
	var asked []string
	load := func(ctx context.Context, _ string) (int, error) {
		needed := position.Needed(ctx)
		asked = append(asked, needed.String())
		if replica.Before(needed) {
			position.Report(ctx, position.Primary)
			return 2, nil
		}
		position.Report(ctx, replica)
		return 1, nil
	}
	c, err := New(startServer(t).Client(), "test", load, &Options[string, int]{
		Tuning: Tuning{L1Lease: 200 * time.Millisecond, StoreTimeout: patient},
		Tags:   func(string) []string { return []string{"all"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d, want the replica's 1 before the write", v)
	}
	if err := c.Invalidate(position.WithCommitted(t.Context(), pos(1, 7)), "a"); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d, want the primary's 2 after the write", v)
	}
	if err := c.InvalidateTags(position.WithCommitted(t.Context(), pos(1, 9)), "all"); err != nil {
		t.Fatal(err)
	}
	get(t, c, "a")
	if got := strings.Join(asked, " "); got != "none 1/7 1/9" {
		t.Errorf("the loader was asked for %s", got)
	}
}

func TestStoreDownLimitsTheLoads(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = 20 * time.Millisecond
	server := startServer(t)
	var now, most atomic.Int64
	load := func(ctx context.Context, key string) (int, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return db.load(ctx, "a")
	}
	c, err := New(server.Client(), "test", load, &Options[string, int]{
		MaxLoads: 4, Tuning: Tuning{StoreTimeout: 50 * time.Millisecond, L1Lease: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	startRun(t, c)
	get(t, c, "a")
	before := db.loads.Load()
	server.Kill()
	eventually(t, "the lease ends", func() bool { return !c.valid(c.subscription.Load()) })
	var group sync.WaitGroup
	var refused atomic.Int64
	for i := range 500 {
		group.Go(func() {
			_, err := c.Get(context.Background(), fmt.Sprint("key", i%100))
			if errors.Is(err, ErrOverloaded) {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	loads := db.loads.Load() - before
	t.Logf("store down: 500 reads of 100 keys, %d loads, at most %d at once, %d refused", loads, most.Load(), refused.Load())
	if most.Load() > 4 || loads > 200 {
		t.Errorf("%d loads, %d at once; want at most 200, 4 at once", loads, most.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = c.Invalidate(ctx, "a")
	if u := (*UnconfirmedError)(nil); !errors.As(err, &u) || len(u.Names) != 1 || u.Unwrap() == nil {
		t.Errorf("an invalidation that does not reach the store returns %v", err)
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = time.Minute
	c, _ := newClockedCache(t, db, &Options[string, int]{LoadTimeout: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Get returns %v", err)
	}
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a load that exceeds LoadTimeout ends with %v", err)
	}
}

// TestShortDeadlineDoesNotWaitForTheStore checks that a read with less time than StoreTimeout does not call the store
// itself.
func TestShortDeadlineDoesNotWaitForTheStore(t *testing.T) {
	c, _ := newClockedCache(t, newTable(), &Options[string, int]{Tuning: Tuning{StoreTimeout: time.Minute}})
	for _, until := range []struct {
		deadline time.Duration
		hasTime  bool
	}{{0, true}, {time.Second, false}, {time.Hour, true}, {-time.Second, false}} {
		ctx, cancel := context.WithCancel(t.Context())
		if until.deadline != 0 {
			ctx, cancel = context.WithTimeout(t.Context(), until.deadline)
		}
		if c.hasTime(ctx) != until.hasTime {
			t.Errorf("deadline in %s: hasTime is %t", until.deadline, !until.hasTime)
		}
		if cancel(); c.hasTime(ctx) {
			t.Error("a cancelled read would call the store")
		}
	}
}

func TestPanicOfTheLoaderIsAnError(t *testing.T) {
	load := func(context.Context, int) (int, error) { panic("no") }
	c, err := New(startServer(t).Client(), "test", load, &Options[int, int]{
		LoadMany: func(context.Context, []int) (map[int]int, error) { panic("no") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), 7); err == nil || !strings.Contains(err.Error(), "load 7: panic: no") {
		t.Errorf("Get returns %v", err)
	}
	if _, err := c.GetMany(t.Context(), []int{8, 9}); err == nil || !strings.Contains(err.Error(), "load [8 9]: panic: no") {
		t.Errorf("GetMany returns %v", err)
	}
}

// TestPanicOfDecodeLoadsAgain checks that a panic does not leave the other readers of the key waiting.
func TestPanicOfDecodeLoadsAgain(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c := newCache(t, startServer(t).Client(), "test", db, &Options[string, int]{
		Encode: func(int) ([]byte, error) { return nil, nil }, Decode: func(b []byte) (int, error) { return int(b[0]), nil },
		Tuning: Tuning{StoreTimeout: patient},
	})
	for range 3 {
		get(t, c, "a")
	}
	if s := c.Stats(); s.Undecodable == 0 || s.Loads != 3 {
		t.Errorf("want three loads: %+v", s)
	}
}

// TestStoredValueOfAnotherShapeIsLoadedAgain is a deployment that changed V and did not change Version.
func TestStoredValueOfAnotherShapeIsLoadedAgain(t *testing.T) {
	client := startServer(t).Client()
	load := func(context.Context, string) (string, error) { return "text", nil }
	before, err := New(client, "test", load, &Options[string, string]{Tuning: Tuning{StoreTimeout: patient}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	db := newTable()
	db.set("a", 1)
	after := newCache(t, client, "test", db, &Options[string, int]{Tuning: Tuning{StoreTimeout: patient}})
	for range 3 {
		get(t, after, "a")
	}
	if s := after.Stats(); s.Undecodable != 1 || s.Loads != 1 || s.HitsL2 != 2 {
		t.Errorf("want one load and two hits: %+v", s)
	}
}

func TestNegativeTTLOfEndsAnOlderValue(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := newClockedCache(t, db, &Options[string, int]{
		TTL: time.Minute, Stale: time.Hour, Tuning: Tuning{Jitter: -1, Early: -1},
		TTLOf: func(_ string, v int) time.Duration {
			if v == 0 {
				panic("there is no value")
			}
			return time.Duration(2-v) * time.Minute
		},
	})
	get(t, c, "a")
	pass(2 * time.Minute)
	db.set("a", 3)
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d, want the stale value 1 during the refresh", v)
	}
	eventually(t, "the refresh", func() bool { pass(time.Second); return get(t, c, "a") == 3 })
	if _, err := c.Get(t.Context(), "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key without a value: %v", err)
	}
}
