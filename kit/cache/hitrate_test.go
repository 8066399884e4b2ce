package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestReadHeavyHitRate checks that correct reads do not cost the hits.
func TestReadHeavyHitRate(t *testing.T) {
	server := startServer(t)
	db := newTable()
	const keys = 500
	for i := range keys {
		db.set(fmt.Sprint("key", i), 0)
	}
	var nodes []*Cache[string, int]
	for range 3 {
		c := newCache(t, server.Client(), "hits", db, nil)
		startRun(t, c)
		nodes = append(nodes, c)
	}
	var group sync.WaitGroup
	for client := range 6 {
		c, rng := nodes[client%3], rand.New(rand.NewPCG(4, uint64(client)))
		zipf := rand.NewZipf(rng, 1.1, 1, keys-1)
		group.Go(func() {
			for i := range 20_000 {
				key := fmt.Sprint("key", zipf.Uint64())
				if i%500 == 499 { // 0.2 % writes, most of them to the hottest keys
					if err := c.InvalidateAt(context.Background(), db.set(key, i), key); err != nil {
						t.Error(err)
					}
				} else if _, err := c.Get(context.Background(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	var sum Stats
	for _, c := range nodes {
		s := c.Stats()
		sum.HitsL1 += s.HitsL1
		sum.HitsL2 += s.HitsL2
		sum.Invalidations += s.Invalidations
	}
	reads := 6 * 20_000 * 499 / 500
	rate := 1 - float64(db.loads.Load())/float64(reads)
	t.Logf("%d reads, %d writes of %d keys on 3 nodes: %.2f %% hits (%.2f %% in level 1), %d loads",
		reads, sum.Invalidations, keys, 100*rate, 100*float64(sum.HitsL1)/float64(reads), db.loads.Load())
	if rate < 0.95 {
		t.Errorf("hit rate %.3f, want at least 0.95", rate)
	}
}

func TestHitInLevel1AllocatesNothing(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, _ := newClockedCache(t, db, nil)
	startRun(t, c)
	for range 2 {
		get(t, c, "a")
	}
	ctx := context.Background()
	before := c.Stats().HitsL1
	if n := testing.AllocsPerRun(1000, func() { c.Get(ctx, "a") }); n != 0 {
		t.Errorf("%g allocations", n)
	}
	if c.Stats().HitsL1-before < 900 {
		t.Error("the hits were not in level 1")
	}
}
