package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/position"
)

// countingStore counts the round trips of GetMany.
type countingStore struct {
	store
	lookups, acquires, tags atomic.Int64
}

func (s *countingStore) lookupMany(ctx context.Context, names []string, early float64) ([]entry, error) {
	s.lookups.Add(1)
	return s.store.lookupMany(ctx, names, early)
}

func (s *countingStore) acquireMany(ctx context.Context, names []string, rs []leaseRequest) ([]entry, error) {
	s.acquires.Add(1)
	return s.store.acquireMany(ctx, names, rs)
}

func (s *countingStore) tagVersions(ctx context.Context, lists [][]string, maxLag time.Duration) ([]tagState, error) {
	s.tags.Add(1)
	return s.store.tagVersions(ctx, lists, maxLag)
}

func (s *countingStore) lookup(context.Context, string, float64) (entry, error) {
	return entry{}, errors.New("GetMany looks up one key alone")
}

// numbered returns n keys, and a table that has all of them except "key0".
func numbered(n int) (keys []string, db *table, want map[string]int) {
	db, want = newTable(), map[string]int{}
	for i := range n {
		key := fmt.Sprint("key", i)
		keys = append(keys, key)
		if i > 0 {
			db.set(key, i)
			want[key] = i
		}
	}
	return keys, db, want
}

func getMany(t *testing.T, c *Cache[string, int], keys []string) map[string]int {
	t.Helper()
	values, err := c.GetMany(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestGetManyTakesOneRoundTripForStoredKeys(t *testing.T) {
	for name, tags := range map[string]func(string) []string{
		"without tags": nil, "with tags": func(key string) []string { return []string{key, "all"} },
	} {
		t.Run(name, func(t *testing.T) {
			keys, db, want := numbered(300)
			c, _ := newClockedCache(t, db, &Options[string, int]{Tags: tags, MaxLoads: 500, Tuning: Tuning{Early: -1}})
			counting := &countingStore{store: c.store}
			c.store = counting
			for round := range 3 {
				if round == 2 {
					startRun(t, c)
				}
				if got := getMany(t, c, append(keys, keys...)); !maps.Equal(got, want) {
					t.Errorf("round %d: got %d values, want %d", round, len(got), len(want))
				}
				if n := db.loads.Load(); n != 300 {
					t.Errorf("round %d: %d loads, want 300", round, n)
				}
			}
			if got := getMany(t, c, keys); !maps.Equal(got, want) || c.Stats().HitsL1 != 300 {
				t.Errorf("got %d values with %d hits in level 1", len(got), c.Stats().HitsL1)
			}
			lookups, acquires := counting.lookups.Load(), counting.acquires.Load()
			if lookups != 3 || acquires != 1 {
				t.Errorf("%d lookups and %d lease requests, want 3 and 1", lookups, acquires)
			}
			if n := counting.tags.Load(); tags != nil && n != 4 {
				t.Errorf("tags were read %d times, want 4", n)
			}
		})
	}
}

func TestGetManyLoadsMissingKeysWithOneCall(t *testing.T) {
	keys, db, want := numbered(50)
	var calls [][]string
	c, _ := newClockedCache(t, db, &Options[string, int]{
		LoadMany: func(ctx context.Context, missing []string) (map[string]int, error) {
			calls = append(calls, missing)
			values := map[string]int{}
			for _, key := range missing {
				if v, err := db.load(ctx, key); err == nil {
					values[key] = v
				}
			}
			return values, nil
		},
	})
	get(t, c, "key1")
	for range 2 {
		if got := getMany(t, c, keys); !maps.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	}
	if len(calls) != 1 || len(calls[0]) != 49 || slices.Contains(calls[0], "key1") {
		t.Errorf("LoadMany was called for %v, want once for 49 keys", calls)
	}
	if _, err := c.Get(t.Context(), "key0"); !errors.Is(err, ErrNotFound) || db.loads.Load() != 50 {
		t.Errorf("a key that LoadMany did not find: %v, %d loads", err, db.loads.Load())
	}
}

func TestGetManyReturnsValuesAndErrors(t *testing.T) {
	keys, db, _ := numbered(4)
	load := func(ctx context.Context, key string) (int, error) {
		if key == "key2" {
			return 0, errors.New("broken row")
		}
		return db.load(ctx, key)
	}
	c, err := New(startServer(t).Client(), "test", load, &Options[string, int]{Tuning: Tuning{StoreTimeout: patient}})
	if err != nil {
		t.Fatal(err)
	}
	values, err := c.GetMany(t.Context(), keys)
	want := map[string]int{"key1": 1, "key3": 3}
	if err == nil || !strings.Contains(err.Error(), "get key2: broken row") || !maps.Equal(values, want) {
		t.Errorf("got %v, %v", values, err)
	}
	if _, err := c.GetMany(t.Context(), []string{"key1", strings.Repeat("x", 513)}); !errors.As(err, new(*KeyError)) {
		t.Errorf("a long key returns %v", err)
	}
	if v := get(t, c, "key1"); v != 1 {
		t.Errorf("got %d after a failed GetMany", v)
	}
	if values, err := c.GetMany(t.Context(), nil); len(values) != 0 || err != nil {
		t.Errorf("no keys: %v, %v", values, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	db.hold = make(chan struct{})
	defer close(db.hold)
	if _, err := c.GetMany(ctx, []string{"key5", "key6"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled GetMany returns %v", err)
	}
}

func TestGetManySharesLoadsWithGet(t *testing.T) {
	keys, db, want := numbered(20)
	db.hold = make(chan struct{})
	c, _ := newClockedCache(t, db, nil)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if got, err := c.GetMany(context.Background(), keys); err != nil || !maps.Equal(got, want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
		group.Go(func() {
			if v, err := c.Get(context.Background(), "key7"); v != 7 || err != nil {
				t.Errorf("got %d, %v", v, err)
			}
		})
	}
	eventually(t, "all loads have started", func() bool { return db.loads.Load() == 20 })
	close(db.hold)
	group.Wait()
	if n := db.loads.Load(); n != 20 {
		t.Errorf("%d loads of 20 keys", n)
	}
}

func TestGetManySeesInvalidations(t *testing.T) {
	keys, db, want := numbered(10)
	c, _ := newClockedCache(t, db, &Options[string, int]{Tags: func(key string) []string { return []string{"tag of " + key} }})
	startRun(t, c)
	for round := range 10 {
		if got := getMany(t, c, keys); !maps.Equal(got, want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
		key := keys[1+round%9]
		want[key] += 100
		at := position.WithCommitted(t.Context(), db.set(key, want[key]))
		err := c.Invalidate(at, key)
		if round%2 == 0 {
			err = c.InvalidateTags(at, "tag of "+key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestGetManyReachesTheNeededPosition checks that one bulk load must reach the positions of all its keys.
func TestGetManyReachesTheNeededPosition(t *testing.T) {
	var asked []string
	c, _ := newClockedCache(t, newTable(), &Options[string, int]{
		LoadMany: func(ctx context.Context, keys []string) (map[string]int, error) {
			asked = append(asked, position.Needed(ctx).String())
			if position.Needed(ctx) == position.Primary {
				position.Report(ctx, position.Primary)
			} else {
				position.Report(ctx, pos(1, 8)) // the replica
			}
			return map[string]int{"a": 1, "b": 2}, nil
		},
	})
	for key, offset := range map[string]uint64{"a": 7, "b": 9} {
		if err := c.InvalidateAt(t.Context(), pos(1, offset), key); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if got := getMany(t, c, []string{"a", "b"}); !maps.Equal(got, map[string]int{"a": 1, "b": 2}) {
			t.Errorf("got %v", got)
		}
	}
	if got := strings.Join(asked, " "); got != "1/9 primary" {
		t.Errorf("LoadMany was asked for %s, want 1/9 and then primary", got)
	}
}

func TestGetManyWhileTheStoreIsDown(t *testing.T) {
	keys, db, want := numbered(10)
	server := startServer(t)
	client := server.Client(func(o *rueidis.ClientOption) { o.ConnWriteTimeout = time.Second })
	c := newCache(t, client, "test", db, &Options[string, int]{Tuning: Tuning{StoreTimeout: 50 * time.Millisecond}})
	server.Kill()
	if got := getMany(t, c, keys); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
