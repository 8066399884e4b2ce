package cache_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestEmbeddedServer runs all calls of the cache on miniredis, which takes the place of Redis where no server is
// installed.
func TestEmbeddedServer(t *testing.T) {
	server := miniredis.RunT(t)
	db := newTable()
	open := func() *cache.Cache[string, int] {
		c, err := cache.New(redistest.Connect(t, server.Addr()), "embedded", db.load, &cache.Options[string, int]{
			Tags:   func(key string) []string { return []string{"all"} },
			Tuning: cache.Tuning{L1Lease: 500 * time.Millisecond, StoreTimeout: 10 * time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	node, job := open(), open()
	startRun(t, node)
	want := map[string]int{}
	var keys []string
	write := func(version int) {
		keys = nil
		for i := range 10 {
			key := fmt.Sprint("key", i)
			keys = append(keys, key)
			want[key] = version
			db.set(key, version)
		}
	}
	check := func(when string) {
		t.Helper()
		for name, c := range map[string]*cache.Cache[string, int]{"node": node, "job": job} {
			if got, err := c.GetMany(t.Context(), keys); err != nil || !maps.Equal(got, want) {
				t.Errorf("%s: %s gets %v, %v; want %v", when, name, got, err, want)
			}
			for _, key := range keys {
				if v := get(t, c, key); v != want[key] {
					t.Errorf("%s: %s gets %d for %s, want %d", when, name, v, key, want[key])
				}
			}
		}
	}
	write(1)
	check("at first")
	loads := db.loads.Load()
	check("from the cache")
	if n := db.loads.Load(); n != loads {
		t.Errorf("%d loads of cached keys", n-loads)
	}
	write(2)
	if err := node.Invalidate(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	check("after Invalidate")
	write(3)
	if err := job.InvalidateTags(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	check("after InvalidateTags without Run")
	reserved := job.Reserve(t.Context(), "key1")
	want["key1"] = 4
	db.set("key1", 4)
	if err := reserved.Set(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	loads = db.loads.Load()
	check("after Set")
	if n := db.loads.Load(); n != loads || job.Stats().Sets != 1 {
		t.Errorf("%d loads after Set, %d values set", n-loads, job.Stats().Sets)
	}
	if i, err := job.Inspect(t.Context(), "key1"); err != nil || i.Source != "store" {
		t.Errorf("Inspect: %v, %v", i, err)
	}
	if s := job.Stats(); s.NodesEvicted > 0 {
		t.Errorf("the job evicted nodes: %+v", s)
	}
}
