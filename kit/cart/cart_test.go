package cart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// More tests are in internal/kittest/cart, in the root module: they need miniredis.

var ctx = context.Background()

// open returns the carts of one node. It sets a long timeout, because the machine may be busy.
func open(t *testing.T, client rueidis.Client, o Options) *Carts {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	carts, err := New(client, &o)
	check(t, err)
	return carts
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, c *Cart, want map[string]int) {
	t.Helper()
	if got, err := c.Quantities(ctx); !maps.Equal(got, want) || err != nil {
		t.Errorf("cart of %s holds %v, %v; want %v", c.owner, got, err, want)
	}
}

// TestNewRefusesAClientThatReadsFromReplicas: a replica may not have the latest writes.
func TestNewRefusesAClientThatReadsFromReplicas(t *testing.T) {
	client := redistest.StartCluster(t).Client(redistest.Cluster, func(o *rueidis.ClientOption) { o.ReplicaOnly = true })
	if _, err := New(client, nil); err == nil {
		t.Error("the client was accepted")
	}
}

func TestRemoveOrderedRemembersTheLastOrders(t *testing.T) {
	client := redistest.Start(t).Client()
	cart := open(t, client, Options{}).Of("user:1")
	_, err := cart.Add(ctx, "book", 5, "")
	check(t, err)
	for i := range maxOnce + 100 {
		check(t, cart.RemoveOrdered(ctx, map[string]int{"pen": 1}, fmt.Sprint("order ", i)))
	}
	for i := range 100 { // the latest ones
		check(t, cart.RemoveOrdered(ctx, map[string]int{"book": 1}, fmt.Sprint("order ", maxOnce+i)))
	}
	holds(t, cart, map[string]int{"book": 5})
	ids := client.B().Zcard().Key("tenfold:cart:{user:1}:once").Build()
	if n, err := client.Do(ctx, ids).AsInt64(); n != maxOnce || err != nil {
		t.Errorf("the cart remembers %d orders, %v; want %d", n, err, maxOnce)
	}
}

func TestNextMergeFinishesAnInterruptedOne(t *testing.T) {
	client := redistest.Start(t).Client()
	carts := open(t, client, Options{})
	guest, ann, bob := carts.Of("guest:1"), carts.Of("user:ann"), carts.Of("user:bob")
	add := func(c *Cart, product string) {
		t.Helper()
		_, err := c.Add(ctx, product, 1, "")
		check(t, err)
	}
	add(guest, "book")
	_, _, _, err := guest.setAside(ctx, ann.owner) // interrupted after the first step
	check(t, err)
	add(guest, "pen")
	_, err = bob.Merge(ctx, guest) // another user logs in in this browser
	check(t, err)
	holds(t, ann, map[string]int{"book": 1})
	holds(t, bob, map[string]int{"pen": 1})

	add(guest, "cup")
	id, _, lines, err := guest.setAside(ctx, ann.owner)
	check(t, err)
	_, err = ann.changeOnce(ctx, "add", id, lines) // interrupted after the second step
	check(t, err)
	for range 2 {
		_, err = ann.Merge(ctx, guest)
		check(t, err)
	}
	holds(t, ann, map[string]int{"book": 1, "cup": 1})
	holds(t, guest, map[string]int{})
	if keys, err := client.Do(ctx, client.B().Keys().Pattern("*{guest:1}*").Build()).AsStrSlice(); len(keys) > 0 || err != nil {
		t.Errorf("the guest's cart still has the keys %v, %v", keys, err)
	}
}

// TestRedisCluster runs every script on a server in cluster mode, which refuses a script whose keys have different
// slots.
func TestRedisCluster(t *testing.T) {
	carts := open(t, redistest.StartCluster(t).Client(redistest.Cluster), Options{})
	user, guest := carts.Of("user:ann"), carts.Of("guest:1")
	for _, c := range []*Cart{user, guest} {
		_, err := c.Add(ctx, "book", 2, "op")
		check(t, err)
	}
	_, err := user.Merge(ctx, guest)
	check(t, err)
	check(t, user.RemoveOrdered(ctx, map[string]int{"book": 1}, "order"))
	holds(t, user, map[string]int{"book": 3})
}

func TestErrorOfAClientWithoutClusterSupport(t *testing.T) {
	err := unavailable("read cart", errors.New("MOVED 3999 127.0.0.1:6381"))
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "not a cluster client") {
		t.Error(err)
	}
}

// TestRetriedAddsCountOnce cuts all connections 30 times. An Add whose response is lost may have counted; its id makes
// the retry harmless.
func TestRetriedAddsCountOnce(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	var nodes []*Carts
	for range 3 {
		nodes = append(nodes, open(t, server.Client(), Options{MaxQuantity: 10_000, MaxOps: 10_000, Timeout: 5 * time.Second}))
	}
	const adds = 3000
	var retries atomic.Int64
	var all sync.WaitGroup
	next := make(chan int)
	for worker := range 30 {
		all.Go(func() {
			for op := range next {
				for {
					_, err := nodes[worker%3].Of("user:ann").Add(ctx, "book", 1, fmt.Sprint("op", op))
					if err == nil {
						break
					}
					if !errors.Is(err, ErrUnavailable) {
						t.Error(err)
						break
					}
					retries.Add(1)
				}
			}
		})
	}
	cuts := 0
	for op := range adds {
		next <- op
		if op%100 == 50 {
			kill := admin.B().Arbitrary("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Build().ToRetryable()
			check(t, admin.Do(ctx, kill).Error())
			cuts++
		}
	}
	close(next)
	all.Wait()
	holds(t, nodes[0].Of("user:ann"), map[string]int{"book": adds})
	t.Logf("%d adds over %d cuts of all connections, %d retried by the caller: the exact sum", adds, cuts, retries.Load())
}
