package cache

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

func TestTagsDropDerivedLists(t *testing.T) {
	db := newTable()
	db.set("list:shoes", 1)
	db.set("list:hats", 1)
	c, _ := newClockedCache(t, db, &Options[string, int]{
		Tags: func(key string) []string { return []string{key, "all lists"} },
	})
	startRun(t, c)
	for range 2 {
		get(t, c, "list:shoes")
		get(t, c, "list:hats")
	}
	if n := db.loads.Load(); n != 2 {
		t.Fatalf("%d loads, want 2", n)
	}
	db.set("list:shoes", 2)
	db.set("list:hats", 2)
	if err := c.InvalidateTags(t.Context(), "list:shoes"); err != nil {
		t.Fatal(err)
	}
	if s, h := get(t, c, "list:shoes"), get(t, c, "list:hats"); s != 2 || h != 1 {
		t.Errorf("shoes %d, hats %d; want 2 and 1", s, h)
	}
	if err := c.InvalidateTags(t.Context(), "all lists"); err != nil {
		t.Fatal(err)
	}
	if h := get(t, c, "list:hats"); h != 2 {
		t.Errorf("hats %d, want 2", h)
	}
}

// TestTwoFillsInOneProcess covers a hole of caches that lock with one name per client. The first fill of a process must
// not be taken for the second one, which starts after an invalidation.
func TestTwoFillsInOneProcess(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	reached, resume := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	load := func(ctx context.Context, key string) (int, error) {
		v, err := db.load(ctx, key)
		if first.CompareAndSwap(false, true) {
			close(reached)
			<-resume
		}
		return v, err
	}
	c, err := New(startServer(t).Client(), "test", load, &Options[string, int]{
		Tuning: Tuning{L1Lease: time.Minute, StoreTimeout: patient},
	})
	if err != nil {
		t.Fatal(err)
	}
	forgetLostNodes(t, c)
	startRun(t, c)
	old := make(chan int)
	go func() { v, _ := c.Get(context.Background(), "a"); old <- v }()
	<-reached
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	fresh := make(chan int)
	go func() { v, _ := c.Get(context.Background(), "a"); fresh <- v }()
	close(resume)
	if v := <-old; v != 1 {
		t.Errorf("the read from before the write got %d", v)
	}
	if v := <-fresh; v != 2 {
		t.Errorf("the read from after the write got %d", v)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("the cache has %d", v)
	}
	if s := c.Stats(); s.RefusedByToken != 1 {
		t.Errorf("want one refused fill: %+v", s)
	}
}

// TestInvalidateInAProcessWithoutRun is a migration that invalidates on a fleet of two nodes. The nodes acknowledge
// through the store, and keep their level 1.
func TestInvalidateInAProcessWithoutRun(t *testing.T) {
	server := startServer(t)
	db := newTable()
	db.set("a", 1)
	db.set("b", 1)
	o := &Options[string, int]{Tuning: Tuning{L1Lease: time.Minute, StoreTimeout: patient}}
	var nodes []*Cache[string, int]
	for range 2 {
		c := newCache(t, server.Client(), "test", db, o)
		forgetLostNodes(t, c)
		startRun(t, c)
		nodes = append(nodes, c)
	}
	job := newCache(t, server.Client(), "test", db, o)
	for round := range 20 {
		for _, c := range nodes {
			for range 2 {
				get(t, c, "a")
				get(t, c, "b")
			}
		}
		db.set("a", round+2)
		begin := time.Now()
		if err := job.Invalidate(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if round == 19 {
			t.Logf("the last invalidation took %s", time.Since(begin).Round(10*time.Microsecond))
		}
		for _, c := range nodes {
			if v := get(t, c, "a"); v != round+2 {
				t.Errorf("round %d: got %d after the write of %d", round, v, round+2)
			}
		}
	}
	if s := job.Stats(); s.NodesEvicted != 0 || s.Unconfirmed != 0 {
		t.Errorf("the job evicted nodes: %+v", s)
	}
	for _, c := range nodes {
		if s := c.Stats(); s.Flushes != 0 || s.HitsL1 == 0 {
			t.Errorf("a node lost its level 1: %+v", s)
		}
	}
	if n := db.loads.Load(); n != 22 {
		t.Errorf("%d loads, want 22: two at first and one per write of a", n)
	}
}

// TestInvalidateWithABrokenSubscription breaks the subscription of the invalidating node without its notice. The
// healthy node must not be evicted: its acknowledgements take the way through the store.
func TestInvalidateWithABrokenSubscription(t *testing.T) {
	server := startServer(t)
	db := newTable()
	db.set("a", 1)
	o := &Options[string, int]{Tuning: Tuning{L1Lease: time.Minute, StoreTimeout: patient}}
	broken, healthy := newCache(t, server.Client(), "test", db, o), newCache(t, server.Client(), "test", db, o)
	forgetLostNodes(t, broken)
	broken.store = &silentStore{store: broken.store}
	startRun(t, broken)
	startRun(t, healthy)
	for range 2 {
		get(t, healthy, "a")
	}
	db.set("a", 2)
	if err := broken.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if v := get(t, healthy, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
	if s := broken.Stats(); s.NodesEvicted != 0 {
		t.Errorf("a healthy node was evicted: %+v", s)
	}
	if s := healthy.Stats(); s.Flushes != 0 {
		t.Errorf("a healthy node lost its level 1: %+v", s)
	}
}

// silentStore is a store whose subscription receives nothing.
type silentStore struct{ store }

func (s *silentStore) subscribe(ctx context.Context, channels []string, up func(), _ func(channel, text string)) error {
	return s.store.subscribe(ctx, channels, up, func(string, string) {})
}

// TestDeadNodeIsWaitedFor lets a node disappear without notice. Invalidate must wait for the end of its lease.
func TestDeadNodeIsWaitedFor(t *testing.T) {
	server := startServer(t)
	db := newTable()
	o := &Options[string, int]{Tuning: Tuning{L1Lease: 500 * time.Millisecond, StoreTimeout: patient}}
	job := newCache(t, server.Client(), "test", db, o)
	forgetLostNodes(t, job)
	if _, err := job.store.join(t.Context(), "dead"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := job.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("Invalidate returned after %s, although a node may serve for its lease", took)
	}
	begin = time.Now()
	if err := job.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the second invalidation took %s", time.Since(begin).Round(10*time.Microsecond))
	if s := job.Stats(); s.NodesEvicted != 1 {
		t.Errorf("want one evicted node: %+v", s)
	}
}
