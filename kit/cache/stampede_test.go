package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// threeNodes starts three nodes on one server.
func threeNodes(t *testing.T, db *table, o *Options[string, int]) []*Cache[string, int] {
	t.Helper()
	server := startServer(t)
	var nodes []*Cache[string, int]
	for range 3 {
		c := newCache(t, server.Client(), "stampede", db, o)
		startRun(t, c)
		nodes = append(nodes, c)
	}
	return nodes
}

func TestTenThousandReadersOfOneColdKeyLoadItOnce(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = 100 * time.Millisecond
	nodes := threeNodes(t, db, &Options[string, int]{
		Tuning: Tuning{FillWait: 10 * time.Second, FillLease: 10 * time.Second, StoreTimeout: 5 * time.Second},
	})
	var group sync.WaitGroup
	ready := make(chan struct{})
	for i := range 10_000 {
		group.Go(func() {
			<-ready
			if v, err := nodes[i%3].Get(context.Background(), "a"); v != 1 || err != nil {
				t.Error(v, err)
			}
		})
	}
	begin := time.Now()
	close(ready)
	group.Wait()
	t.Logf("10000 readers on 3 nodes: %d load, all answered after %s (the load takes %s)",
		db.loads.Load(), time.Since(begin).Round(time.Millisecond), db.slow)
	if n := db.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

// TestConstantInvalidationDelaysReadsByAFewLoads invalidates a key faster than it can be loaded. Nothing can be stored
// then. But each node runs only one load after the other, and every reader has its answer after the time of a few
// loads.
func TestConstantInvalidationDelaysReadsByAFewLoads(t *testing.T) {
	db := newTable()
	db.set("a", 0)
	db.slow = 50 * time.Millisecond
	nodes := threeNodes(t, db, &Options[string, int]{
		Tuning: Tuning{FillWait: 100 * time.Millisecond, L1Lease: 500 * time.Millisecond},
	})
	if err := nodes[0].Invalidate(t.Context(), "a"); err != nil { // waits for the nodes that a new store cannot know
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var writes, reads, longest atomic.Int64
	group.Go(func() {
		for ctx.Err() == nil {
			if err := nodes[0].Invalidate(context.Background(), "a"); err != nil {
				t.Error(err)
			}
			writes.Add(1)
			sleep(ctx, 5*time.Millisecond)
		}
	})
	begin := time.Now()
	for i := range 300 {
		group.Go(func() {
			for sleep(ctx, time.Millisecond) {
				asked := time.Now()
				if _, err := nodes[i%3].Get(context.Background(), "a"); err != nil {
					t.Error(err)
				}
				reads.Add(1)
				for d := int64(time.Since(asked)); ; {
					old := longest.Load()
					if d <= old || longest.CompareAndSwap(old, d) {
						break
					}
				}
			}
		})
	}
	group.Wait()
	// One load after the other on each of three nodes, and the same number of refreshes.
	bound := int64(2 * 3 * (time.Since(begin)/db.slow + 1))
	t.Logf("%d invalidations, %d reads, %d loads (bound %d), longest read %s", writes.Load(), reads.Load(),
		db.loads.Load(), bound, time.Duration(longest.Load()).Round(time.Millisecond))
	if db.loads.Load() > bound {
		t.Errorf("%d loads, more than %d", db.loads.Load(), bound)
	}
}

// TestNewEmptyNodeLoadsNothing adds a node to two warm ones. The new node finds all values in the store.
func TestNewEmptyNodeLoadsNothing(t *testing.T) {
	db := newTable()
	const keys = 2000
	for i := range keys {
		db.set(fmt.Sprint("key", i), i)
	}
	nodes := threeNodes(t, db, &Options[string, int]{Tuning: Tuning{StoreTimeout: 5 * time.Second}})
	warm, empty := nodes[:2], nodes[2]
	visit := func(c *Cache[string, int]) {
		var group sync.WaitGroup
		for part := range 8 {
			group.Go(func() {
				for i := part; i < keys; i += 8 {
					if v, err := c.Get(context.Background(), fmt.Sprint("key", i)); v != i || err != nil {
						t.Error(i, v, err)
					}
				}
			})
		}
		group.Wait()
	}
	for _, c := range warm {
		visit(c)
	}
	before := db.loads.Load()
	var group sync.WaitGroup
	for _, c := range nodes {
		group.Go(func() { visit(c) })
	}
	group.Wait()
	extra, bound := db.loads.Load()-before, int64(keys/100)
	t.Logf("a new node reads %d keys: %d from the store, %d loads (bound %d, for early refreshes)",
		keys, empty.Stats().HitsL2, extra, bound)
	if extra > bound {
		t.Errorf("%d loads, more than %d", extra, bound)
	}
}
