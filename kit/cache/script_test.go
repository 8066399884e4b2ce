package cache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestCommandsOutliveTheirConnection cuts connections and kills the server under parallel calls of every kind. The race
// detector then sees a command that the client has sent again and used for another, while the broken connection is still
// writing it.
func TestCommandsOutliveTheirConnection(t *testing.T) {
	server := startRedis(t)
	db := newTable()
	client, cut := cuttable(t, server.address)
	c, err := New(client, "broken", db.load, &Options[string, int]{
		StoreTimeout: time.Second, L1Lease: 100 * time.Millisecond, L1Entries: -1,
		Tags: func(key string) []string { return []string{"tag" + key, "all"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	running(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for i := range 16 {
		key := fmt.Sprint(i % 8)
		db.set(key, i)
		group.Go(func() {
			for ctx.Err() == nil {
				c.down.Store(0) // no rest for a store that does not answer
				if i < 12 {
					c.Get(ctx, key)
					continue
				}
				patience, done := context.WithTimeout(ctx, 10*time.Millisecond)
				c.Invalidate(patience, Position{}, key)
				c.Inspect(patience, key)
				done()
			}
		})
	}
	for range 4 {
		for range 200 {
			time.Sleep(time.Millisecond)
			cut.cut()
		}
		server.kill()
		server.start()
		until(t, "the store answers again", func() bool { _, err := c.Inspect(t.Context(), "0"); return err == nil })
	}
	cancel()
	group.Wait()
	s := c.Stats()
	t.Logf("%d reads of the store, %d loads, %d calls of the store failed", s.HitsL2, s.Loads, s.StoreErrors)
	if s.StoreErrors == 0 {
		t.Error("no call met the broken connection")
	}
}
