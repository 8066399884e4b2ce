package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStalledStoreEvictsNoNode stops a real server ten times for 0.4 s while one of three nodes invalidates. No node is
// evicted, every invalidation is confirmed, and no node reads an older value.
func TestStalledStoreEvictsNoNode(t *testing.T) {
	server := startServer(t)
	db := newTable()
	db.set("a", 0)
	var nodes []*Cache[string, int]
	for range 3 {
		c := newCache(t, server.Client(), "stall", db, nil)
		startRun(t, c)
		nodes = append(nodes, c)
	}
	if err := nodes[0].Invalidate(t.Context(), "a"); err != nil { // ends the wait for unknown nodes
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writes := 0 // read after writing.Wait
	writing.Go(func() {
		for v := 1; ctx.Err() == nil; v++ {
			db.set("a", v)
			if err := nodes[v%3].Invalidate(context.Background(), "a"); err != nil {
				t.Errorf("write %d: %v", v, err)
			}
			for _, c := range nodes {
				if got, err := c.Get(context.Background(), "a"); err != nil || got < v {
					t.Errorf("got %d, %v after the write of %d", got, err, v)
				}
			}
			writes = v
		}
	})
	for range 10 {
		server.Pause()
		time.Sleep(400 * time.Millisecond)
		server.Resume()
		time.Sleep(100 * time.Millisecond)
	}
	cancel()
	writing.Wait()
	for i, c := range nodes {
		if s := c.Stats(); s.NodesEvicted > 0 || s.Unconfirmed > 0 {
			t.Errorf("node %d: %+v", i, s)
		}
	}
	t.Logf("%d writes while the store stalled ten times, no node evicted", writes)
}

// TestFirstInvalidateWaitsForTheRest measures the first Invalidate on a new store. Unknown nodes may serve until a lease
// after the first node has joined, and that wait has begun before the Invalidate.
func TestFirstInvalidateWaitsForTheRest(t *testing.T) {
	const lease, head = 2 * time.Second, 1200 * time.Millisecond
	server := startServer(t)
	o := &Options[string, int]{Tuning: Tuning{L1Lease: lease, StoreTimeout: patient}}
	for _, name := range []string{"node", "process-without-Run"} {
		c := newCache(t, server.Client(), name, newTable(), o)
		startRun(t, c)
		if name != "node" {
			c = newCache(t, server.Client(), name, newTable(), o) // it knows nothing of the nodes yet
		}
		time.Sleep(head)
		begin := time.Now()
		if err := c.Invalidate(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begin)
		t.Logf("%s: the first Invalidate %s after the start of the fleet took %s, with a lease of %s",
			name, head, took.Round(time.Millisecond), lease)
		if took > lease-head+400*time.Millisecond {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

// TestInvalidateAfterADeath measures an Invalidate after a node has died. The node may serve until a lease after its last
// renewal. Another node has seen long ago that it does not renew.
func TestInvalidateAfterADeath(t *testing.T) {
	const lease = 2 * time.Second
	server := startServer(t)
	o := &Options[string, int]{Tuning: Tuning{L1Lease: lease, StoreTimeout: patient}}
	c, dead := newCache(t, server.Client(), "death", newTable(), o), newCache(t, server.Client(), "death", newTable(), o)
	killed := &mortalStore{store: dead.store}
	dead.store = killed
	startRun(t, c)
	stop := startRun(t, dead)
	killed.dead.Store(true)
	stop()
	time.Sleep(lease + lease/2)
	list, err := c.store.members(t.Context())
	if err != nil || len(list.live) != 2 {
		t.Fatalf("the dead node should be listed still: %v, %v", list.live, err)
	}
	begin := time.Now()
	if err := c.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	t.Logf("an Invalidate %s after the death of a node took %s, with a lease of %s", lease+lease/2, took.Round(time.Millisecond), lease)
	if took > lease/2 || c.Stats().NodesEvicted != 1 {
		t.Errorf("took %s, %d nodes evicted", took, c.Stats().NodesEvicted)
	}
}

// mortalStore lets a node leave without notice.
type mortalStore struct {
	store
	dead atomic.Bool
}

var errDead = errors.New("the node is dead")

func (m *mortalStore) remove(ctx context.Context, nodes ...string) error {
	if m.dead.Load() {
		return errDead
	}
	return m.store.remove(ctx, nodes...)
}

// TestPatienceIsBounded invalidates while the store fails every other call and a node is dead. Each failure gives the
// node time again, but the whole call ends by InvalidateTimeout, or by the deadline of the caller.
func TestPatienceIsBounded(t *testing.T) {
	server := startServer(t)
	db := newTable()
	const limit = 700 * time.Millisecond
	dead := newCache(t, server.Client(), "bounded", db, nil)
	startRun(t, dead)
	dead.acks.mu.Lock() // it never handles a message again
	defer dead.acks.mu.Unlock()
	dead.mu.Lock()
	defer dead.mu.Unlock()
	c := newCache(t, server.Client(), "bounded", db, &Options[string, int]{Tuning: Tuning{InvalidateTimeout: limit}})
	c.store = &flakyStore{store: c.store}
	for name, deadline := range map[string]time.Duration{"InvalidateTimeout": 0, "deadline": limit / 2} {
		ctx, want := t.Context(), limit
		if deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, deadline)
			defer cancel()
			want = deadline
		}
		begin := time.Now()
		err := c.Invalidate(ctx, "a")
		if took := time.Since(begin); !errors.As(err, new(*UnconfirmedError)) || took < want-50*time.Millisecond || took > want+500*time.Millisecond {
			t.Errorf("%s: took %s, %v", name, took, err)
		}
	}
	if n := c.Stats().NodesEvicted; n != 0 {
		t.Errorf("%d nodes evicted while the store failed", n)
	}
}

// flakyStore fails every other look at the list of nodes.
type flakyStore struct {
	store
	calls int
}

func (f *flakyStore) members(ctx context.Context) (memberList, error) {
	if f.calls++; f.calls%2 == 0 {
		return memberList{}, errDead
	}
	return f.store.members(ctx)
}
