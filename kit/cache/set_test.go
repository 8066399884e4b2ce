package cache

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

func TestSetLeavesTheNewValueInTheStore(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, _ := newClockedCache(t, db, nil)
	startRun(t, c)
	for range 2 {
		get(t, c, "a")
	}
	r := c.Reserve(t.Context(), "a")
	at := db.set("a", 2)
	if err := r.Set(position.WithCommitted(t.Context(), at), 2); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after Set of 2", v)
	}
	if s := c.Stats(); s.Loads != 1 || s.Sets != 1 || s.Invalidations != 1 {
		t.Errorf("want no load after Set: %+v", s)
	}
}

func TestSetOfAKeyThatWasNeverRead(t *testing.T) {
	db := newTable()
	c, _ := newClockedCache(t, db, nil)
	r := c.Reserve(t.Context(), "a")
	db.set("a", 1)
	if err := r.Set(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 1 || db.loads.Load() != 0 {
		t.Errorf("got %d with %d loads, want 1 without a load", v, db.loads.Load())
	}
}

// TestSetDoesNotHideANewerWrite lets a second write commit and invalidate between the commit and the Set of a first
// one.
func TestSetDoesNotHideANewerWrite(t *testing.T) {
	for name, between := range map[string]func(*testing.T, *Cache[string, int], *testClock){
		"invalidated": func(t *testing.T, c *Cache[string, int], _ *testClock) {
			if err := c.Invalidate(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		},
		"set": func(t *testing.T, c *Cache[string, int], _ *testClock) {
			if err := c.Reserve(t.Context(), "a").Set(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
		},
		"invalidated, and the tombstone has expired": func(t *testing.T, c *Cache[string, int], clock *testClock) {
			if err := c.Invalidate(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			clock.pass(2 * tombstone)
		},
		"invalidated by tag": func(t *testing.T, c *Cache[string, int], _ *testClock) {
			if err := c.InvalidateTags(t.Context(), "all"); err != nil {
				t.Fatal(err)
			}
		},
		"invalidated, and the store has lost its data": func(t *testing.T, c *Cache[string, int], clock *testClock) {
			if err := c.Invalidate(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			command(t, clock.client, "FLUSHALL")
			clock.pass(0)
			forgetLostNodes(t, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := newTable()
			store, clock := newClockedStore(t, "test/1")
			c := newCache(t, clock.client, "test", db, &Options[string, int]{
				Tags:   func(string) []string { return []string{"all"} },
				Tuning: Tuning{L1Lease: time.Minute, StoreTimeout: patient},
			})
			c.store = store
			forgetLostNodes(t, c)
			first := c.Reserve(t.Context(), "a")
			db.set("a", 2)
			db.set("a", 3) // the second write
			between(t, c, clock)
			if err := first.Set(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			if v := get(t, c, "a"); v != 3 {
				t.Errorf("got %d after the newer write of 3", v)
			}
		})
	}
}

func TestSetOnlyInvalidatesWithoutTheStoreOrTwice(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, _ := newClockedCache(t, db, nil)
	c.storeDown.Store(c.clock() + int64(time.Hour))
	r := c.Reserve(t.Context(), "a")
	c.storeDown.Store(0)
	if err := r.Set(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Sets != 0 || s.SetsRefused != 1 {
		t.Errorf("a reservation without the store stored a value: %+v", s)
	}
	r = c.Reserve(t.Context(), "a")
	for _, v := range []int{2, 3} {
		if err := r.Set(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Sets != 1 || s.SetsRefused != 2 {
		t.Errorf("a reservation was used twice: %+v", s)
	}
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d, want the database's 1", v)
	}
}

// TestSetThatIsRepeatedStoresOnce loses the reply of the script, so that the client runs it again.
func TestSetThatIsRepeatedStoresOnce(t *testing.T) {
	s, _ := newClockedStore(t, "test/1")
	epoch, generation, err := s.reserve(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	v := &newValue{
		token: "t", epoch: epoch, generation: generation, value: []byte("1"), freshFor: time.Minute, keepFor: time.Minute,
	}
	for range 2 {
		if stored, err := s.invalidate(t.Context(), object{'k', "a"}, pos(0, 0), "m", v); !stored || err != nil {
			t.Errorf("stored %t, %v", stored, err)
		}
	}
	if _, err := s.invalidate(t.Context(), object{'k', "a"}, pos(0, 0), "m", nil); err != nil {
		t.Fatal(err)
	}
	if stored, err := s.invalidate(t.Context(), object{'k', "a"}, pos(0, 0), "m", v); stored || err != nil {
		t.Errorf("a repetition after an invalidation: stored %t, %v", stored, err)
	}
	if e, err := s.lookup(t.Context(), "a", 1); e.found || err != nil {
		t.Errorf("found %+v, %v", e, err)
	}
}

func TestSetOfABadKeyOrValue(t *testing.T) {
	db := newTable()
	c, _ := newClockedCache(t, db, &Options[string, int]{
		TTLOf: func(_ string, v int) time.Duration { return time.Duration(v) }, Tuning: Tuning{MaxValueBytes: 5},
	})
	if err := c.Reserve(t.Context(), strings.Repeat("x", 513)).Set(t.Context(), 1); !errors.As(err, new(*KeyError)) {
		t.Errorf("a long key returns %v", err)
	}
	for _, v := range []int{-1, 1_000_000} {
		if err := c.Reserve(t.Context(), "a").Set(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Sets != 0 || s.SetsRefused != 2 || s.Unstorable != 1 {
		t.Errorf("want only invalidations: %+v", s)
	}
}
