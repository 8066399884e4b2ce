package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// three makes three nodes on one real server.
func three(t *testing.T, db *table, o *Options[string, int]) []*Cache[string, int] {
	t.Helper()
	server := startRedis(t)
	var nodes []*Cache[string, int]
	for range 3 {
		c, err := New(connect(t, server.address), "stampede", db.load, o)
		if err != nil {
			t.Fatal(err)
		}
		running(t, c)
		nodes = append(nodes, c)
	}
	return nodes
}

func TestTenThousandReadersOfOneColdKeyLoadItOnce(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = 100 * time.Millisecond
	nodes := three(t, db, &Options[string, int]{FillWait: 10 * time.Second, FillLease: 10 * time.Second, StoreTimeout: 5 * time.Second})
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
	t.Logf("10000 readers on 3 nodes: %d load, all answered after %s (the load takes %s)", db.loads.Load(), time.Since(begin).Round(time.Millisecond), db.slow)
	if n := db.loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}

// TestConstantInvalidationQueuesNobody invalidates a key faster than it can be loaded: nothing can be stored then, but each
// node loads at most one after the other, and every reader has its answer after a few loads' time.
func TestConstantInvalidationQueuesNobody(t *testing.T) {
	db := newTable()
	db.set("a", 0)
	db.slow = 50 * time.Millisecond
	nodes := three(t, db, &Options[string, int]{FillWait: 100 * time.Millisecond, L1Lease: 500 * time.Millisecond})
	if err := nodes[0].Invalidate(t.Context(), Position{}, "a"); err != nil { // waits for what a new store may not know of
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var writes, reads, longest atomic.Int64
	group.Go(func() {
		for ctx.Err() == nil {
			if err := nodes[0].Invalidate(context.Background(), Position{}, "a"); err != nil {
				t.Error(err)
			}
			writes.Add(1)
			rest(ctx, 5*time.Millisecond)
		}
	})
	begin := time.Now()
	for i := range 300 {
		group.Go(func() {
			for rest(ctx, time.Millisecond) {
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
	// One load after the other on each of three nodes, and as many refreshes.
	bound := int64(2 * 3 * (time.Since(begin)/db.slow + 1))
	t.Logf("%d invalidations, %d reads, %d loads (bound %d), longest read %s", writes.Load(), reads.Load(), db.loads.Load(), bound, time.Duration(longest.Load()).Round(time.Millisecond))
	if db.loads.Load() > bound {
		t.Errorf("%d loads, more than %d", db.loads.Load(), bound)
	}
}

// TestNewEmptyNodeLoadsNothing joins a node to two warm ones: what it misses, the store has.
func TestNewEmptyNodeLoadsNothing(t *testing.T) {
	db := newTable()
	const keys = 2000
	for i := range keys {
		db.set(fmt.Sprint("key", i), i)
	}
	nodes := three(t, db, &Options[string, int]{StoreTimeout: 5 * time.Second})
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
	t.Logf("a node that joins reads %d keys: %d from the store, %d loads (bound %d, for early refreshes)", keys, empty.Stats().HitsL2, extra, bound)
	if extra > bound {
		t.Errorf("%d loads", extra)
	}
}
