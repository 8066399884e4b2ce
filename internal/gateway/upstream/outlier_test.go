package upstream

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func TestFailingNodeIsEjectedAndReturns(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	var received atomic.Int64
	bad := serve(t, func(w http.ResponseWriter, r *http.Request) {
		received.Add(1)
		if failing.Load() {
			w.WriteHeader(502)
		}
	})
	p := newPool(t, "balance: round-robin\noutlier: {eject: 100ms}", bad,
		serve(t, respondWith("")), serve(t, respondWith("")))
	for range 60 {
		if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
			t.Fatalf("%d %v", status, err)
		}
	}
	if n := received.Load(); n < 5 || n > 20 {
		t.Errorf("the failing node got %d requests, want about five per ejection", n)
	}
	failing.Store(false)
	received.Store(0)
	await(t, "the node gets requests again", func() bool {
		send(t.Context(), p, "GET", "")
		return received.Load() > 3
	})
}

// Run itself ends ejections, one after the other, without a request.
func TestEjectionsEndWithoutRequests(t *testing.T) {
	p := newPool(t, "outlier: {eject: 50ms, max_share: 100%}",
		serve(t, respondWith("")), serve(t, respondWith("")), serve(t, respondWith("")))
	for _, id := range []string{"shop-1", "shop-2"} {
		p.mu.Lock()
		p.eject(p.members[id], time.Now(), "test")
		p.mu.Unlock()
		time.Sleep(10 * time.Millisecond) // the ejections end at different times
	}
	if n := len(p.view.Load().members); n != 1 {
		t.Fatalf("%d nodes are eligible during the ejections, want 1", n)
	}
	await(t, "all nodes are eligible again", func() bool { return len(p.view.Load().members) == 3 })
}

func TestEjectionKeepsEnoughNodes(t *testing.T) {
	for _, c := range []struct {
		nodes int
		share float64
		want  int
	}{{1, 0.5, 0}, {2, 0.5, 1}, {3, 0.5, 1}, {10, 0.5, 5}, {10, 1, 9}, {2, 0, 1}} {
		if got := mayEject(c.nodes, c.share); got != c.want {
			t.Errorf("%d nodes, share %v: %d may be ejected, want %d", c.nodes, c.share, got, c.want)
		}
	}
	all502 := func() string { return serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }) }
	p := newPool(t, "breaker: off", all502(), all502(), all502(), all502())
	for range 200 {
		if _, _, err := send(t.Context(), p, "GET", ""); err != nil {
			t.Fatalf("the response of the node was not passed on: %v", err)
		}
	}
	if n := len(p.view.Load().members); n != 4 {
		t.Errorf("%d of 4 nodes are eligible, want all: they fail alike", n)
	}
}

func TestSuccessRateOutlier(t *testing.T) {
	for _, c := range []struct {
		rates []float64
		out   []bool
	}{
		{[]float64{1, 1, 1, 1, 0.6}, []bool{false, false, false, false, true}},
		{[]float64{1, 0.5}, []bool{false, false}},               // two nodes do not show which one is the exception
		{[]float64{0.999, 0.998, 1, 0.997, 1}, make([]bool, 5)}, // all within one percent
		{[]float64{0.5, 0.5, 0.5, 0.5, 0.5}, make([]bool, 5)},   // all fail alike: the nodes are not the cause
		{[]float64{1, 1, 1, 1, 1, 1, 1, 1, 0.9, 1}, []bool{8: true, 9: false}},
	} {
		limit := successLimit(c.rates, 1.9)
		for i, r := range c.rates {
			if got := r < limit; got != c.out[i] {
				t.Errorf("%v: node %d at %v is an outlier: %v, want %v (limit %.3f)", c.rates, i, r, got, c.out[i], limit)
			}
		}
	}
}
