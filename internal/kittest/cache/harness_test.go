// Package cache_test tests kit/cache from outside, with modules that the users of kit must not need: porcupine, which
// checks histories, and miniredis, the store that tenfold embeds.
package cache_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/position"
)

// table is a database with one table.
type table struct {
	mu    sync.Mutex
	rows  map[string]int
	log   uint64
	loads atomic.Int64
}

func newTable() *table { return &table{rows: map[string]int{}} }

func (t *table) load(ctx context.Context, key string) (int, error) {
	t.loads.Add(1)
	position.Report(ctx, position.Primary)
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.rows[key]
	if !ok {
		return 0, fmt.Errorf("row %q: %w", key, cache.ErrNotFound)
	}
	return v, nil
}

// set commits a new value and returns the position of the commit.
func (t *table) set(key string, v int) position.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[key] = v
	t.log++
	return position.Position{Timeline: 1, Offset: t.log}
}

// startRun starts Run for the duration of the test, and waits until level 1 serves.
func startRun(t *testing.T, c *cache.Cache[string, int]) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	for end := time.Now().Add(20 * time.Second); c.Stats().HitsL1 == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("level 1 does not serve within 20 seconds")
		}
		c.Get(ctx, "start")
	}
}

func get(t *testing.T, c *cache.Cache[string, int], key string) int {
	t.Helper()
	v, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return v
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
