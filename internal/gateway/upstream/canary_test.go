package upstream

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/node"
)

// canaryPool is a pool of three nodes of version 1 and one of version 2, which gets a share of the requests.
type canaryPool struct {
	*Pool
	set      node.Set
	received [4]atomic.Int64
	status   [4]atomic.Int64 // what a node answers; 0 for 200
}

func startCanary(t *testing.T, extra string, share float64) *canaryPool {
	t.Helper()
	c := &canaryPool{}
	var addresses []string
	for i := range c.received {
		addresses = append(addresses, serve(t, func(w http.ResponseWriter, r *http.Request) {
			c.received[i].Add(1)
			if s := c.status[i].Load(); s != 0 {
				w.WriteHeader(int(s))
			}
		}))
	}
	c.Pool = startPool(t, extra, nil, addresses...)
	c.set = setOf(addresses...)
	for i := range c.set.Nodes {
		c.set.Nodes[i].Version = 1 + i/3
	}
	c.set.Canary = node.Canary{Version: 2, Share: share}
	c.Update(c.set)
	for _, n := range c.set.Nodes {
		if err := c.AwaitReady(t.Context(), n.ID); err != nil {
			t.Fatal(err)
		}
	}
	for c.view.Load().split == nil { // the set is applied in the background
		c.Update(c.set)
	}
	return c
}

func TestCanaryGetsItsShareOfTheRequests(t *testing.T) {
	for _, balance := range []string{"p2c", "round-robin", "weighted", "least-conn", "hash(path)"} {
		for _, share := range []float64{0.1, 0.6} {
			c := startCanary(t, "balance: "+balance, share)
			const requests = 2000
			for i := range requests {
				if status, _, err := sendTo(t.Context(), c.Pool, fmt.Sprint("/", i), "GET", ""); status != 200 || err != nil {
					t.Fatalf("%s: %d %v", balance, status, err)
				}
			}
			got := float64(c.received[3].Load()) / requests
			if got < share-0.04 || got > share+0.04 { // more than three standard deviations
				t.Errorf("%s: the canary got %.1f%% of the requests, want %g%%", balance, got*100, share*100)
			}
			for i := range 3 {
				if n := float64(c.received[i].Load()) / requests / (1 - share); n < 0.2 || n > 0.47 {
					t.Errorf("%s: node %d got %.0f%% of the other requests", balance, i+1, n*100)
				}
			}
		}
	}
}

// With a consistent hash, a visitor always gets the same version.
func TestVisitorsOfAConsistentHashKeepTheirVersion(t *testing.T) {
	c := startCanary(t, "balance: hash(header:X-User)", 0.3)
	for user := range 50 {
		before := c.received[3].Load()
		for range 10 {
			if status, _, err := send(t.Context(), c.Pool, "GET", "", "X-User", fmt.Sprint(user)); status != 200 || err != nil {
				t.Fatalf("%d %v", status, err)
			}
		}
		if n := c.received[3].Load() - before; n != 0 && n != 10 {
			t.Errorf("user %d: %d of 10 requests went to the canary", user, n)
		}
	}
	if n := c.received[3].Load(); n < 50 || n > 270 {
		t.Errorf("%d of 500 requests went to the canary", n)
	}
}

// A visitor with a sticky cookie stays on the node of that cookie.
func TestPreferredNodeWinsOverTheShare(t *testing.T) {
	c := startCanary(t, "sticky: node", 0.5)
	for _, i := range []int{0, 3} {
		before := c.received[i].Load()
		for range 20 {
			x, req := exchange.Ensure(newRequest(t))
			x.PreferredNode = c.set.Nodes[i].ID
			resp, err := c.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		if n := c.received[i].Load() - before; n != 20 {
			t.Errorf("node %d got %d of 20 requests of its visitor", i+1, n)
		}
	}
}

func newRequest(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://shop.example/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestARequestThatFailsOnTheCanaryGoesToAnotherNode(t *testing.T) {
	c := startCanary(t, "outlier: off\nbreaker: off\nretry: {budget: 100%}", 0.5)
	c.status[3].Store(503)
	for range 100 {
		if status, _, err := send(t.Context(), c.Pool, "GET", ""); status != 200 || err != nil {
			t.Fatalf("with a canary that fails: %d %v", status, err)
		}
	}
	if n := c.received[3].Load(); n < 20 {
		t.Errorf("the canary got %d requests, want about 50", n)
	}
}

// When no node of one side is eligible, the other side gets all requests.
func TestASideWithoutNodesGetsNoRequests(t *testing.T) {
	for name, drains := range map[string]func(version int) bool{
		"others": func(version int) bool { return version == 1 }, "canary": func(version int) bool { return version == 2 },
	} {
		c := startCanary(t, "", 0.5)
		for i := range c.set.Nodes {
			if n := &c.set.Nodes[i]; drains(n.Version) {
				n.State = node.Draining
			}
		}
		for c.view.Load().split != nil {
			c.Update(c.set)
		}
		for range 20 {
			if status, _, err := send(t.Context(), c.Pool, "GET", ""); status != 200 || err != nil {
				t.Fatalf("without the %s: %d %v", name, status, err)
			}
		}
	}
}

// The end of the canary leaves no share behind.
func TestWithoutACanaryAllNodesAreAlike(t *testing.T) {
	c := startCanary(t, "balance: round-robin", 0.01)
	c.set.Canary = node.Canary{}
	for c.view.Load().split != nil {
		c.Update(c.set)
	}
	for range 400 {
		send(t.Context(), c.Pool, "GET", "")
	}
	if n := c.received[3].Load(); n < 90 || n > 110 {
		t.Errorf("the node got %d of 400 requests, want 100", n)
	}
}
