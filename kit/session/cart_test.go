package session

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

func openCarts(t testing.TB, address string, o CartOptions) *Carts {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = patient.Timeout
	}
	carts, err := NewCarts(redistest.Connect(t, address), &o)
	if err != nil {
		t.Fatal(err)
	}
	return carts
}

func quantities(t testing.TB, c *Cart) map[string]int {
	t.Helper()
	q, err := c.Quantities(ctx)
	check(t, err)
	return q
}

func holds(t testing.TB, c *Cart, want map[string]int) {
	t.Helper()
	if got := quantities(t, c); !maps.Equal(got, want) {
		t.Errorf("cart of %s holds %v, want %v", c.owner, got, want)
	}
}

func TestAThousandParallelAddsFromThreeNodesAreAllCountedAndDoubleClicksOnce(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) string{
		"store in memory": func(t *testing.T) string { _, address := memory(t); return address },
		"redis-server":    func(t *testing.T) string { return redistest.Start(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			address := store(t)
			var nodes []*Carts
			for range 3 {
				nodes = append(nodes, openCarts(t, address, CartOptions{MaxQuantity: 10_000}))
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
			t.Logf("1,000 parallel adds and %d double clicks from 3 nodes: sum %d, exact", doubled, sum)
		})
	}
}

func TestCartOperations(t *testing.T) {
	_, address := memory(t)
	cart := openCarts(t, address, CartOptions{MaxLines: 3, MaxQuantity: 10}).Of("user:ann")
	step := func(what string, n int, err error, want int, wantErr error) {
		t.Helper()
		if n != want && err == nil || !errors.Is(err, wantErr) {
			t.Errorf("%s: %d, %v; want %d, %v", what, n, err, want, wantErr)
		}
	}
	n, err := cart.Add(ctx, "book", 2, "a")
	step("add", n, err, 2, nil)
	n, err = cart.Add(ctx, "book", 2, "a")
	step("add again", n, err, 2, nil)
	n, err = cart.Add(ctx, "book", 2, "")
	step("add without id", n, err, 4, nil)
	n, err = cart.Add(ctx, "book", -1, "b")
	step("take one out", n, err, 3, nil)
	n, err = cart.Add(ctx, "book", 8, "c")
	step("past the quantity", n, err, 3, ErrLimit)
	n, err = cart.Add(ctx, "book", 7, "c")
	step("a refused operation is not remembered", n, err, 10, nil)
	n, err = cart.Set(ctx, "pen", 5, "d")
	step("set", n, err, 5, nil)
	n, err = cart.Add(ctx, "pen", -9, "e")
	step("below none", n, err, 0, nil)
	step("remove", 0, cart.Remove(ctx, "book", "f"), 0, nil)
	n, err = cart.Add(ctx, "book", 1, "g")
	step("add after remove", n, err, 1, nil)
	step("late repetition of remove", 0, cart.Remove(ctx, "book", "f"), 0, nil)
	holds(t, cart, map[string]int{"book": 1})
	for _, product := range []string{"ink", "cup"} {
		n, err = cart.Add(ctx, product, 1, "")
		step("fill", n, err, 1, nil)
	}
	n, err = cart.Add(ctx, "hat", 1, "")
	step("past the lines", n, err, 0, ErrLimit)
	for what, call := range map[string]func() error{
		"none":             func() error { _, err := cart.Add(ctx, "book", 0, ""); return err },
		"huge":             func() error { _, err := cart.Add(ctx, "book", 1<<40, ""); return err },
		"hugely negative":  func() error { _, err := cart.Add(ctx, "book", -1<<63, ""); return err },
		"negative set":     func() error { _, err := cart.Set(ctx, "book", -1, ""); return err },
		"no product":       func() error { _, err := cart.Add(ctx, "", 1, ""); return err },
		"binary product":   func() error { _, err := cart.Add(ctx, "a\x00", 1, ""); return err },
		"long product":     func() error { _, err := cart.Add(ctx, strings.Repeat("x", 129), 1, ""); return err },
		"long operation":   func() error { _, err := cart.Add(ctx, "book", 1, strings.Repeat("x", 256)); return err },
		"braces in owner":  func() error { _, err := cart.carts.Of("}{").Add(ctx, "book", 1, ""); return err },
		"no owner":         func() error { _, err := cart.carts.Of("").Quantities(ctx); return err },
		"take without id":  func() error { return cart.Take(ctx, map[string]int{"book": 1}, "") },
		"take of nothing":  func() error { return cart.Take(ctx, map[string]int{"book": 0}, "x") },
		"merge itself":     func() error { _, err := cart.Merge(ctx, cart); return err },
		"merge to no one":  func() error { _, err := cart.carts.Of("").Merge(ctx, cart); return err },
		"merge of a brace": func() error { _, err := cart.Merge(ctx, cart.carts.Of("{}")); return err },
	} {
		if err := call(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	holds(t, cart, map[string]int{"book": 1, "ink": 1, "cup": 1})
}

func TestTheMemoryOfOperationsIsBoundedAndNeverForgetsTooEarly(t *testing.T) {
	store, address := memory(t)
	cart := openCarts(t, address, CartOptions{MaxOps: 5, OpWindow: time.Minute}).Of("guest:1")
	for i := range 5 {
		_, err := cart.Add(ctx, "book", 1, fmt.Sprint(i))
		check(t, err)
	}
	if _, err := cart.Add(ctx, "book", 1, "5"); !errors.Is(err, ErrLimit) {
		t.Errorf("a sixth operation within a minute: %v", err)
	}
	if n, err := cart.Add(ctx, "book", 1, "0"); n != 5 || err != nil {
		t.Errorf("the first operation again: %d, %v", n, err)
	}
	store.sleep(time.Minute + time.Millisecond)
	if n, err := cart.Add(ctx, "book", 1, "5"); n != 6 || err != nil {
		t.Errorf("a minute later: %d, %v", n, err)
	}
	store.sleep(31 * 24 * time.Hour)
	if len(store.Keys()) > 0 {
		t.Errorf("a month later the store keeps %v", store.Keys())
	}
}

func TestTakeKeepsWhatWasAddedAfterTheOrder(t *testing.T) {
	_, address := memory(t)
	cart := openCarts(t, address, CartOptions{}).Of("user:ann")
	for product, n := range map[string]int{"book": 2, "pen": 1} {
		_, err := cart.Add(ctx, product, n, "")
		check(t, err)
	}
	ordered := quantities(t, cart)
	_, err := cart.Add(ctx, "book", 3, "")
	check(t, err)
	for range 3 {
		check(t, cart.Take(ctx, ordered, "order-1"))
	}
	holds(t, cart, map[string]int{"book": 3})
}

// Who orders all the time goes on ordering, and the store does not fill up with the ids of their orders.
func TestTakeRemembersTheLastOrders(t *testing.T) {
	store, address := memory(t)
	cart := openCarts(t, address, CartOptions{}).Of("user:1")
	_, err := cart.Add(ctx, "book", 5, "")
	check(t, err)
	for i := range maxOnce + 100 {
		check(t, cart.Take(ctx, map[string]int{"pen": 1}, fmt.Sprint("order ", i)))
	}
	for i := range 100 { // the latest ones
		check(t, cart.Take(ctx, map[string]int{"book": 1}, fmt.Sprint("order ", maxOnce+i)))
	}
	holds(t, cart, map[string]int{"book": 5})
	if ids, err := store.ZMembers("tenfold:cart:{user:1}:once"); err != nil || len(ids) != maxOnce {
		t.Errorf("%d orders are remembered, want %d: %v", len(ids), maxOnce, err)
	}
}

func TestMergeMovesAGuestsCartExactlyOnce(t *testing.T) {
	for round := range 50 {
		_, address := memory(t)
		nodes := []*Carts{openCarts(t, address, CartOptions{}), openCarts(t, address, CartOptions{})}
		user, guest := nodes[0].Of("user:ann"), nodes[0].Of("guest:1")
		for _, c := range []*Cart{user, guest} {
			_, err := c.Add(ctx, "book", 2, "")
			check(t, err)
		}
		var all sync.WaitGroup
		for i := range 8 { // double clicks on "log in", while the guest's other tabs go on adding
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
		_, err := user.Merge(ctx, guest) // what came during the moves
		check(t, err)
		holds(t, user, map[string]int{"book": 4, "pen": 8})
		holds(t, guest, map[string]int{})
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func TestMergeThatDiedHalfWayIsFinishedByTheNext(t *testing.T) {
	store, address := memory(t)
	carts := openCarts(t, address, CartOptions{})
	guest, ann, bob := carts.Of("guest:1"), carts.Of("user:ann"), carts.Of("user:bob")
	add := func(c *Cart, product string) {
		t.Helper()
		_, err := c.Add(ctx, product, 1, "")
		check(t, err)
	}
	add(guest, "book")
	_, _, _, err := guest.setAside(ctx, ann.owner) // died after the first step
	check(t, err)
	add(guest, "pen")
	_, err = bob.Merge(ctx, guest) // and somebody else logs in in this browser
	check(t, err)
	holds(t, ann, map[string]int{"book": 1})
	holds(t, bob, map[string]int{"pen": 1})

	add(guest, "cup")
	id, _, lines, err := guest.setAside(ctx, ann.owner)
	check(t, err)
	_, err = ann.once(ctx, "add", id, lines) // died after the second step
	check(t, err)
	for range 2 {
		_, err = ann.Merge(ctx, guest)
		check(t, err)
	}
	holds(t, ann, map[string]int{"book": 1, "cup": 1})
	holds(t, guest, map[string]int{})
	if left := keysWith(t, store, "guest:1"); len(left) > 0 {
		t.Errorf("of the guest's cart %v is left", left)
	}
}

func TestMergeSaysWhatDidNotFit(t *testing.T) {
	_, address := memory(t)
	small := openCarts(t, address, CartOptions{MaxLines: 2, MaxQuantity: 10})
	guest, user := openCarts(t, address, CartOptions{}).Of("guest:1"), small.Of("user:ann")
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
