package cache

import (
	"cmp"
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

	"github.com/alicebob/miniredis/v2"
)

// table is a database of one table for tests.
type table struct {
	mu    sync.Mutex
	rows  map[string]int
	log   uint64
	loads atomic.Int64
	fail  atomic.Bool
	slow  time.Duration
	hold  chan struct{} // a load waits until it is closed
}

func newTable() *table { return &table{rows: map[string]int{}} }

func (t *table) load(ctx context.Context, key string, need Position) (Loaded[int], error) {
	t.loads.Add(1)
	if t.slow > 0 && !rest(ctx, t.slow) {
		return Loaded[int]{}, ctx.Err()
	}
	if t.hold != nil {
		<-t.hold
	}
	if t.fail.Load() {
		return Loaded[int]{}, errors.New("database is away")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.rows[key]
	if !ok {
		return Loaded[int]{At: Primary}, fmt.Errorf("row %q: %w", key, ErrNotFound)
	}
	return Loaded[int]{Value: v, At: Primary}, nil
}

func (t *table) set(key string, v int) Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[key] = v
	t.log++
	return Position{1, t.log}
}

// patient is a time limit that no machine reaches, so that what a test sees does not depend on it.
const patient = 10 * time.Second

// embedded is a cache on a miniredis whose clock the test moves.
func embedded(t *testing.T, db *table, o *Options[string, int]) (*Cache[string, int], func(time.Duration)) {
	t.Helper()
	server := miniredis.RunT(t)
	now := time.Now()
	server.SetTime(now)
	if o == nil {
		o = &Options[string, int]{}
	}
	o.L1Lease, o.StoreTimeout = time.Minute, cmp.Or(o.StoreTimeout, patient)
	c, err := New(connect(t, server.Addr()), "test", db.load, o)
	if err != nil {
		t.Fatal(err)
	}
	forgetLost(t, c)
	return c, func(d time.Duration) {
		now = now.Add(d)
		server.SetTime(now)
		server.FastForward(d)
	}
}

// forgetLost spares a test the wait for nodes that a new store cannot know of.
func forgetLost(t *testing.T, c *Cache[string, int]) {
	t.Helper()
	members, err := c.store.members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.remove(t.Context(), slices.Collect(maps.Keys(members))...); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *Cache[string, int], key string) int {
	t.Helper()
	v, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return v
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to pass: %s", what)
		}
	}
}

func TestReadGoesFromProcessToStoreToLoader(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, _ := embedded(t, db, nil)
	get(t, c, "a")
	get(t, c, "a")
	if s := c.Stats(); s.Loads != 1 || s.HitsL2 != 1 || s.HitsL1 != 0 {
		t.Errorf("before Run the first level has to be bypassed: %+v", s)
	}
	running(t, c)
	get(t, c, "a")
	get(t, c, "a")
	if s := c.Stats(); s.Loads != 1 || s.HitsL2 != 2 || s.HitsL1 != 1 {
		t.Errorf("%+v", s)
	}
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), Position{}, "a"); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

func TestNothingThereIsRemembered(t *testing.T) {
	db := newTable()
	c, pass := embedded(t, db, &Options[string, int]{Jitter: -1})
	for range 3 {
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := db.loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
	pass(11 * time.Second)
	db.set("a", 1)
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d", v)
	}
}

func TestOldValueIsServedWhileOneRefreshRuns(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := embedded(t, db, &Options[string, int]{TTL: time.Minute, Stale: time.Hour, Jitter: -1, Early: -1})
	get(t, c, "a")
	pass(59 * time.Second)
	get(t, c, "a")
	if db.loads.Load() != 1 {
		t.Fatal("loaded again before its TTL")
	}
	pass(2 * time.Second)
	db.set("a", 2) // nobody invalidates: only the TTL tells
	if v := get(t, c, "a"); v != 1 {
		t.Errorf("got %d, not the old value", v)
	}
	until(t, "the refresh", func() bool { return get(t, c, "a") == 2 })
	if n := db.loads.Load(); n != 2 {
		t.Errorf("%d loads", n)
	}
}

func TestOldValueIsServedWhileTheLoaderFails(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := embedded(t, db, &Options[string, int]{TTL: time.Minute, Stale: time.Hour, Jitter: -1, Early: -1, Retry: 10 * time.Second})
	get(t, c, "a")
	db.fail.Store(true)
	pass(2 * time.Minute)
	get(t, c, "a")
	until(t, "the failed refresh gives its lease back", func() bool {
		i, err := c.Inspect(t.Context(), "a")
		return err == nil && strings.Contains(i.Why, "the loader failed a moment ago")
	})
	for range 5 {
		get(t, c, "a")
	}
	if n := db.loads.Load(); n != 2 {
		t.Errorf("%d loads: a failing loader has to be left alone for Retry", n)
	}
	// What was invalidated is not served, not even now.
	if err := c.Invalidate(t.Context(), Position{}, "a"); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(t.Context(), "a"); err == nil {
		t.Errorf("got %d though it was invalidated", v)
	}
}

func TestRefreshComesEarlyAndAlone(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = 50 * time.Millisecond
	c, pass := embedded(t, db, &Options[string, int]{TTL: time.Minute, Jitter: -1, Early: 1e6, FillLease: time.Minute})
	get(t, c, "a")
	pass(30 * time.Second)
	db.hold = make(chan struct{})
	defer close(db.hold)
	for range 20 {
		get(t, c, "a")
	}
	until(t, "the refresh", func() bool { return db.loads.Load() == 2 })
	if s := c.Stats(); s.StaleServed != 0 || s.Refreshes != 1 {
		t.Errorf("%+v", s)
	}
}

func TestTagsDropDerivedLists(t *testing.T) {
	db := newTable()
	db.set("list:shoes", 1)
	db.set("list:hats", 1)
	c, _ := embedded(t, db, &Options[string, int]{Tags: func(key string) []string { return []string{key, "all lists"} }})
	running(t, c)
	for range 2 {
		get(t, c, "list:shoes")
		get(t, c, "list:hats")
	}
	if n := db.loads.Load(); n != 2 {
		t.Fatalf("%d loads", n)
	}
	db.set("list:shoes", 2)
	db.set("list:hats", 2)
	if err := c.InvalidateTags(t.Context(), Position{}, "list:shoes"); err != nil {
		t.Fatal(err)
	}
	if s, h := get(t, c, "list:shoes"), get(t, c, "list:hats"); s != 2 || h != 1 {
		t.Errorf("shoes %d, hats %d", s, h)
	}
	if err := c.InvalidateTags(t.Context(), Position{}, "all lists"); err != nil {
		t.Fatal(err)
	}
	if h := get(t, c, "list:hats"); h != 2 {
		t.Errorf("hats %d", h)
	}
}

// TestTwoFillsInOneProcess is the hole of caches that lock with one name per client: the first fill of a process must not
// pass for the second one after an invalidation.
func TestTwoFillsInOneProcess(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	reached, carryOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	server := miniredis.RunT(t)
	c, err := New(connect(t, server.Addr()), "test", func(ctx context.Context, key string, need Position) (Loaded[int], error) {
		loaded, err := db.load(ctx, key, need)
		if first.CompareAndSwap(false, true) {
			close(reached)
			<-carryOn
		}
		return loaded, err
	}, &Options[string, int]{L1Lease: time.Minute, StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	forgetLost(t, c)
	running(t, c)
	old := make(chan int)
	go func() { v, _ := c.Get(context.Background(), "a"); old <- v }()
	<-reached
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), Position{}, "a"); err != nil {
		t.Fatal(err)
	}
	fresh := make(chan int)
	go func() { v, _ := c.Get(context.Background(), "a"); fresh <- v }()
	close(carryOn)
	if v := <-old; v != 1 {
		t.Errorf("the read from before the write got %d", v)
	}
	if v := <-fresh; v != 2 {
		t.Errorf("the read from after the write got %d", v)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("the cache holds %d", v)
	}
	if s := c.Stats(); s.RefusedByToken != 1 {
		t.Errorf("%+v", s)
	}
}

// TestLaggingReplicaDoesNotFill reads from a replica that has not seen the write that was invalidated.
func TestLaggingReplicaDoesNotFill(t *testing.T) {
	server := miniredis.RunT(t)
	var asked []string
	obedient := false
	c, err := New(connect(t, server.Addr()), "test", func(_ context.Context, _ string, need Position) (Loaded[int], error) {
		asked = append(asked, need.String())
		if need == Primary || obedient && need != (Position{}) {
			return Loaded[int]{Value: 2, At: Primary}, nil
		}
		return Loaded[int]{Value: 1, At: Position{1, 6}}, nil // the replica is at 1/6
	}, &Options[string, int]{L1Lease: 200 * time.Millisecond, StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Invalidate(t.Context(), Position{1, 7}, "a"); err != nil {
		t.Fatal(err)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d", v)
	}
	if got := strings.Join(asked, " "); got != "1/7 primary" {
		t.Errorf("the loader was asked for %s", got)
	}
	if s := c.Stats(); s.Behind != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStoreDownGoesToTheLoaderBounded(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = 20 * time.Millisecond
	server := miniredis.RunT(t)
	client := connect(t, server.Addr())
	var now, most atomic.Int64
	c, err := New(client, "test", func(ctx context.Context, key string, need Position) (Loaded[int], error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return db.load(ctx, "a", need)
	}, &Options[string, int]{MaxLoads: 4, StoreTimeout: 50 * time.Millisecond, L1Lease: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	running(t, c)
	get(t, c, "a")
	server.Close()
	until(t, "the lease runs out", func() bool { return !c.valid(c.session.Load()) })
	var group sync.WaitGroup
	var refused atomic.Int64
	for i := range 500 {
		group.Go(func() {
			if _, err := c.Get(context.Background(), fmt.Sprint("key", i%100)); errors.Is(err, ErrOverloaded) {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	t.Logf("store down: 500 reads of 100 keys, %d loads, at most %d at once, %d turned away", db.loads.Load()-1, most.Load(), refused.Load())
	if most.Load() > 4 || db.loads.Load() > 1+200 {
		t.Errorf("%d loads, %d at once", db.loads.Load(), most.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = c.Invalidate(ctx, Position{}, "a")
	if u := (*UnconfirmedError)(nil); !errors.As(err, &u) || u.Hint() == "" || len(u.Names) != 1 {
		t.Errorf("an invalidation that reaches nobody returns %v", err)
	}
}

func TestGetHonoursItsOwnContext(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	db.slow = time.Minute
	c, _ := embedded(t, db, &Options[string, int]{LoadTimeout: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a load without end ends with %v", err)
	}
}

// TestDeadlineIsNotSpentOnTheStore: who has less time than a call of the store may take, does not make it himself.
func TestDeadlineIsNotSpentOnTheStore(t *testing.T) {
	c, _ := embedded(t, newTable(), &Options[string, int]{StoreTimeout: time.Minute})
	for _, until := range []struct {
		deadline  time.Duration
		unhurried bool
	}{{0, true}, {time.Second, false}, {time.Hour, true}, {-time.Second, false}} {
		ctx, cancel := context.WithCancel(t.Context())
		if until.deadline != 0 {
			ctx, cancel = context.WithTimeout(t.Context(), until.deadline)
		}
		if c.unhurried(ctx) != until.unhurried {
			t.Errorf("deadline in %s: unhurried %t", until.deadline, !until.unhurried)
		}
		if cancel(); c.unhurried(ctx) {
			t.Error("a read that was cancelled asks the store")
		}
	}
}

func TestLoaderThatPanicsIsAnError(t *testing.T) {
	server := miniredis.RunT(t)
	c, err := New(connect(t, server.Addr()), "test", func(context.Context, int, Position) (Loaded[int], error) { panic("no") }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), 7); err == nil || !strings.Contains(err.Error(), "load 7: panic: no") {
		t.Error(err)
	}
}

// TestDecodeThatPanicsLoadsAgain: a panic must not leave the key's other readers waiting for ever.
func TestDecodeThatPanicsLoadsAgain(t *testing.T) {
	server := miniredis.RunT(t)
	db := newTable()
	db.set("a", 1)
	c, err := New(connect(t, server.Addr()), "test", db.load, &Options[string, int]{
		StoreTimeout: patient, Encode: func(int) ([]byte, error) { return nil, nil }, Decode: func(b []byte) (int, error) { return int(b[0]), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		get(t, c, "a")
	}
	if s := c.Stats(); s.Undecodable == 0 || s.Loads != 3 {
		t.Errorf("%+v", s)
	}
}

func TestBadInput(t *testing.T) {
	server := miniredis.RunT(t)
	client := connect(t, server.Addr())
	load := func(context.Context, string, Position) (Loaded[[]byte], error) {
		return Loaded[[]byte]{Value: make([]byte, 2000)}, nil
	}
	c, err := New(client, "test", load, &Options[string, []byte]{MaxValueBytes: 1000, L1Lease: 200 * time.Millisecond, StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 513)
	ke := (*KeyError)(nil)
	if _, err := c.Get(t.Context(), long); !errors.As(err, &ke) || ke.Hint() == "" {
		t.Error(err)
	}
	if err := c.Invalidate(t.Context(), Position{}, long); !errors.As(err, &ke) {
		t.Error(err)
	}
	for _, key := range []string{"", "\x00\xff|}{", "a|b|c|d", "ключ"} {
		if v, err := c.Get(t.Context(), key); err != nil || len(v) != 2000 {
			t.Errorf("key %q: %v", key, err)
		}
		if err := c.Invalidate(t.Context(), Position{}, key); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if s := c.Stats(); s.Unstorable != 4 || s.HitsL2 != 0 {
		t.Errorf("a value over the limit was stored: %+v", s)
	}
	for _, bad := range []func() error{
		func() error { _, err := New(client, "a b", load, nil); return err },
		func() error { _, err := New(client, "", load, nil); return err },
		func() error { _, err := New[string, []byte](client, "a", nil, nil); return err },
		func() error { _, err := New(nil, "a", load, nil); return err },
		func() error { _, err := New(client, "a", load, &Options[string, []byte]{TTL: -1}); return err },
		func() error { _, err := New(client, "a", load, &Options[string, []byte]{Jitter: 2}); return err },
		func() error { _, err := New(client, "a", load, &Options[string, []byte]{Version: "{}"}); return err },
		func() error {
			_, err := New(client, "a", func(context.Context, [2]int, Position) (l Loaded[int], err error) { return l, nil }, nil)
			return err
		},
	} {
		if err := bad(); err == nil {
			t.Error("accepted")
		} else {
			t.Log(err)
		}
	}
}

// TestStoredValueOfAnotherShapeIsLoadedAgain is a deployment that changed V and forgot Version.
func TestStoredValueOfAnotherShapeIsLoadedAgain(t *testing.T) {
	server := miniredis.RunT(t)
	client := connect(t, server.Addr())
	before, err := New(client, "test", func(context.Context, string, Position) (Loaded[string], error) {
		return Loaded[string]{Value: "text"}, nil
	}, &Options[string, string]{StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	db := newTable()
	db.set("a", 1)
	after, err := New(client, "test", db.load, &Options[string, int]{StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		get(t, after, "a")
	}
	if s := after.Stats(); s.Undecodable != 1 || s.Loads != 1 || s.HitsL2 != 2 {
		t.Errorf("%+v", s)
	}
}

func TestInspectExplains(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := embedded(t, db, &Options[string, int]{Jitter: -1, Early: -1})
	expect := func(level Level, why string) {
		t.Helper()
		i, err := c.Inspect(t.Context(), "a")
		if err != nil || i.Level != level || !strings.Contains(i.Why, why) {
			t.Errorf("%v %v; want %s: %s", i, err, level, why)
		}
	}
	expect(LevelNone, "Run is not running; the store holds nothing")
	get(t, c, "a")
	expect(LevelStore, "fresh in the store")
	stop := running(t, c)
	expect(LevelStore, "not in the first level; fresh")
	get(t, c, "a")
	expect(LevelProcess, "hears every invalidation")
	stop()
	pass(301 * time.Second)
	expect(LevelStore, "served to the next read, which refreshes it")
	if err := c.Invalidate(t.Context(), Position{1, 9}, "a"); err != nil {
		t.Fatal(err)
	}
	expect(LevelNone, "no value since the invalidation")
	if i, _ := c.Inspect(t.Context(), "a"); i.Need != (Position{1, 9}) || i.Generation == "" {
		t.Errorf("%+v", i)
	}
}

func TestPositionsAreOrderedAsTheirText(t *testing.T) {
	ordered := []Position{{}, {0, 1}, {0, 1 << 40}, {1, 0}, {1, 9}, {1, 10}, {16, 0}, Primary}
	for i, p := range ordered {
		if q, err := decodePosition(p.encode()); err != nil || q != p {
			t.Errorf("%v: %v %v", p, q, err)
		}
		for j, q := range ordered {
			if p.Before(q) != (i < j) || (p.encode() < q.encode()) != (i < j) {
				t.Errorf("%v before %v", p, q)
			}
		}
	}
}
