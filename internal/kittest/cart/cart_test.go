package cart_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tenfold-go/tenfold/kit/cart"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

var ctx = context.Background()

// memoryStore is a miniredis server whose time changes only with sleep.
type memoryStore struct {
	*miniredis.Miniredis
	now time.Time
}

func startMemory(t testing.TB) *memoryStore {
	t.Helper()
	m := &memoryStore{miniredis.RunT(t), time.Unix(2_000_000_000, 0)}
	m.ClockTTL(true)
	m.sleep(0)
	return m
}

func (m *memoryStore) sleep(d time.Duration) {
	m.now = m.now.Add(d)
	m.SetTime(m.now)
}

// openCarts returns the carts of one node. It sets a long timeout, because the machine may be busy.
func openCarts(t testing.TB, address string, o cart.Options) *cart.Carts {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	carts, err := cart.New(redistest.Connect(t, address), &o)
	if err != nil {
		t.Fatal(err)
	}
	return carts
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func quantities(t testing.TB, c *cart.Cart) map[string]int {
	t.Helper()
	q, err := c.Quantities(ctx)
	check(t, err)
	return q
}

func holds(t testing.TB, c *cart.Cart, want map[string]int) {
	t.Helper()
	if got := quantities(t, c); !maps.Equal(got, want) {
		t.Errorf("the cart holds %v, want %v", got, want)
	}
}

func TestParallelAddsFromThreeNodesCountOncePerID(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) string{
		"miniredis":    func(t *testing.T) string { return startMemory(t).Addr() },
		"redis-server": func(t *testing.T) string { return redistest.Start(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			address := store(t)
			var nodes []*cart.Carts
			for range 3 {
				nodes = append(nodes, openCarts(t, address, cart.Options{MaxQuantity: 10_000}))
			}
			type click struct{ node, n, op int }
			var clicks []click
			sum, doubled := 0, 0
			for op := range 1000 {
				n := 1 + op%3
				sum += n
				clicks = append(clicks, click{op % 3, n, op})
				for range op % 4 { // up to three more clicks, through other nodes
					doubled++
					clicks = append(clicks, click{rand.IntN(3), n, op})
				}
			}
			rand.Shuffle(len(clicks), func(i, j int) { clicks[i], clicks[j] = clicks[j], clicks[i] })
			var all sync.WaitGroup
			for _, c := range clicks {
				all.Go(func() {
					if _, err := nodes[c.node].Of("user:ann").Add(ctx, "book", c.n, fmt.Sprint("op", c.op)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			holds(t, nodes[0].Of("user:ann"), map[string]int{"book": sum})
			t.Logf("1,000 parallel adds and %d double clicks from 3 nodes: the exact sum %d", doubled, sum)
		})
	}
}

func TestCartOperations(t *testing.T) {
	address := startMemory(t).Addr()
	carts := openCarts(t, address, cart.Options{MaxLines: 3, MaxQuantity: 10})
	c := carts.Of("user:ann")
	step := func(what string, n int, err error, want int, wantErr error) {
		t.Helper()
		if n != want && err == nil || !errors.Is(err, wantErr) {
			t.Errorf("%s: %d, %v; want %d, %v", what, n, err, want, wantErr)
		}
	}
	n, err := c.Add(ctx, "book", 2, "a")
	step("add", n, err, 2, nil)
	n, err = c.Add(ctx, "book", 2, "a")
	step("add again", n, err, 2, nil)
	n, err = c.Add(ctx, "book", 2, "")
	step("add without id", n, err, 4, nil)
	n, err = c.Add(ctx, "book", -1, "b")
	step("negative quantity", n, err, 3, nil)
	n, err = c.Add(ctx, "book", 8, "c")
	step("past the quantity", n, err, 3, cart.ErrLimit)
	n, err = c.Add(ctx, "book", 7, "c")
	step("a refused operation is not remembered", n, err, 10, nil)
	n, err = c.Set(ctx, "pen", 5, "d")
	step("set", n, err, 5, nil)
	n, err = c.Add(ctx, "pen", -9, "e")
	step("below 0", n, err, 0, nil)
	step("remove", 0, c.Remove(ctx, "book", "f"), 0, nil)
	n, err = c.Add(ctx, "book", 1, "g")
	step("add after remove", n, err, 1, nil)
	step("late repetition of remove", 0, c.Remove(ctx, "book", "f"), 0, nil)
	holds(t, c, map[string]int{"book": 1})
	for _, product := range []string{"ink", "cup"} {
		n, err = c.Add(ctx, product, 1, "")
		step("fill", n, err, 1, nil)
	}
	n, err = c.Add(ctx, "hat", 1, "")
	step("past the lines", n, err, 0, cart.ErrLimit)
	for what, call := range map[string]func() error{
		"quantity 0":                    func() error { _, err := c.Add(ctx, "book", 0, ""); return err },
		"huge":                          func() error { _, err := c.Add(ctx, "book", 1<<40, ""); return err },
		"hugely negative":               func() error { _, err := c.Add(ctx, "book", -1<<63, ""); return err },
		"negative set":                  func() error { _, err := c.Set(ctx, "book", -1, ""); return err },
		"no product":                    func() error { _, err := c.Add(ctx, "", 1, ""); return err },
		"binary product":                func() error { _, err := c.Add(ctx, "a\x00", 1, ""); return err },
		"long product":                  func() error { _, err := c.Add(ctx, strings.Repeat("x", 129), 1, ""); return err },
		"long operation":                func() error { _, err := c.Add(ctx, "book", 1, strings.Repeat("x", 256)); return err },
		"braces in owner":               func() error { _, err := carts.Of("}{").Add(ctx, "book", 1, ""); return err },
		"no owner":                      func() error { _, err := carts.Of("").Quantities(ctx); return err },
		"order without id":              func() error { return c.RemoveOrdered(ctx, map[string]int{"book": 1}, "") },
		"order of quantity 0":           func() error { return c.RemoveOrdered(ctx, map[string]int{"book": 0}, "x") },
		"merge itself":                  func() error { _, err := c.Merge(ctx, c); return err },
		"merge into no owner":           func() error { _, err := carts.Of("").Merge(ctx, c); return err },
		"merge of an owner with braces": func() error { _, err := c.Merge(ctx, carts.Of("{}")); return err },
	} {
		if err := call(); !errors.Is(err, cart.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	holds(t, c, map[string]int{"book": 1, "ink": 1, "cup": 1})
}

func TestIDsAreRememberedForOpTTL(t *testing.T) {
	store := startMemory(t)
	address := store.Addr()
	c := openCarts(t, address, cart.Options{MaxOps: 5, OpTTL: time.Minute}).Of("guest:1")
	for i := range 5 {
		_, err := c.Add(ctx, "book", 1, fmt.Sprint(i))
		check(t, err)
	}
	if _, err := c.Add(ctx, "book", 1, "5"); !errors.Is(err, cart.ErrLimit) {
		t.Errorf("a sixth operation within a minute: %v", err)
	}
	if n, err := c.Add(ctx, "book", 1, "0"); n != 5 || err != nil {
		t.Errorf("the first operation again: %d, %v", n, err)
	}
	store.sleep(time.Minute + time.Millisecond)
	if n, err := c.Add(ctx, "book", 1, "5"); n != 6 || err != nil {
		t.Errorf("a minute later: %d, %v", n, err)
	}
	store.sleep(31 * 24 * time.Hour)
	if len(store.Keys()) > 0 {
		t.Errorf("a month later the store still has %v", store.Keys())
	}
}

func TestRemoveOrderedKeepsWhatWasAddedAfterTheOrder(t *testing.T) {
	address := startMemory(t).Addr()
	c := openCarts(t, address, cart.Options{}).Of("user:ann")
	for product, n := range map[string]int{"book": 2, "pen": 1} {
		_, err := c.Add(ctx, product, n, "")
		check(t, err)
	}
	ordered := quantities(t, c)
	_, err := c.Add(ctx, "book", 3, "")
	check(t, err)
	for range 3 {
		check(t, c.RemoveOrdered(ctx, ordered, "order-1"))
	}
	holds(t, c, map[string]int{"book": 3})
}

func TestMergeMovesACartOnce(t *testing.T) {
	for round := range 50 {
		address := startMemory(t).Addr()
		nodes := []*cart.Carts{openCarts(t, address, cart.Options{}), openCarts(t, address, cart.Options{})}
		user, guest := nodes[0].Of("user:ann"), nodes[0].Of("guest:1")
		for _, c := range []*cart.Cart{user, guest} {
			_, err := c.Add(ctx, "book", 2, "")
			check(t, err)
		}
		var all sync.WaitGroup
		for i := range 8 { // double clicks on "log in", while other tabs of the guest add products
			all.Go(func() {
				if _, err := nodes[i%2].Of("user:ann").Merge(ctx, nodes[i%2].Of("guest:1")); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if _, err := nodes[i%2].Of("guest:1").Add(ctx, "pen", 1, fmt.Sprint("pen", i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		_, err := user.Merge(ctx, guest) // lines that were added during the merges
		check(t, err)
		holds(t, user, map[string]int{"book": 4, "pen": 8})
		holds(t, guest, map[string]int{})
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func TestMergeReturnsWhatItDropped(t *testing.T) {
	address := startMemory(t).Addr()
	small := openCarts(t, address, cart.Options{MaxLines: 2, MaxQuantity: 10})
	guest, user := openCarts(t, address, cart.Options{}).Of("guest:1"), small.Of("user:ann")
	_, err := user.Set(ctx, "book", 8, "")
	check(t, err)
	for product, n := range map[string]int{"book": 5, "pen": 12, "ink": 3} {
		_, err := guest.Set(ctx, product, n, "")
		check(t, err)
	}
	dropped, err := user.Merge(ctx, guest)
	check(t, err)
	if want := map[string]int{"book": 3, "pen": 12}; !maps.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	holds(t, user, map[string]int{"book": 10, "ink": 3})
}

func TestOptionsAreChecked(t *testing.T) {
	client := redistest.Connect(t, startMemory(t).Addr())
	for _, o := range []cart.Options{{MaxLines: -1}, {MaxQuantity: 2e9}, {TTL: 1}, {OpTTL: 1}, {Prefix: "}"}} {
		if _, err := cart.New(client, &o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
	if _, err := cart.New(nil, nil); err == nil {
		t.Error("accepted a nil client")
	}
}
