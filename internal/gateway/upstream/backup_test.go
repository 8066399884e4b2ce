package upstream

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// switchedNode is a node whose probes can be made to fail.
type switchedNode struct {
	*httptest.Server
	fails    atomic.Bool
	received atomic.Int64 // requests without probes
}

func serveSwitched(t *testing.T) *switchedNode {
	s := &switchedNode{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.UserAgent() != "tenfold-probe":
			s.received.Add(1)
		case s.fails.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// A backup gets requests only while no other node is ready, with every way to balance.
func TestBackupGetsRequestsOnlyWithoutOtherNodes(t *testing.T) {
	for _, balance := range []string{"p2c", "round-robin", "weighted", "least-conn", "hash(path)"} {
		nodes := [...]*switchedNode{serveSwitched(t), serveSwitched(t), serveSwitched(t)}
		var addresses []string
		for _, n := range nodes {
			addresses = append(addresses, n.Listener.Addr().String())
		}
		set := setOf(addresses...)
		set.Nodes[1].Backup = true
		p := startPool(t, "balance: "+balance+"\nprobe: {interval: 10ms, fall: 1}\noutlier: {panic: 50%}", nil, addresses...)
		p.Update(set)
		for _, n := range set.Nodes {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := p.AwaitReady(ctx, n.ID); err != nil {
				t.Fatal(err)
			}
		}
		want := func(when string, backup bool) {
			t.Helper()
			for _, n := range nodes {
				n.received.Store(0)
			}
			for range 30 {
				if status, _, err := send(t.Context(), p, "POST", "x"); status != 200 || err != nil {
					t.Errorf("%s, %s: %d %v", balance, when, status, err)
				}
			}
			got := nodes[1].received.Load()
			if others := nodes[0].received.Load() + nodes[2].received.Load(); backup && others > 0 || !backup && got > 0 {
				t.Errorf("%s, %s: the backup got %d requests, the others %d", balance, when, got, others)
			}
		}
		eligible := func(n int) func() bool {
			return func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return len(p.view.Load().members) == n && p.members["shop-2"].eligible.Load() == (n == 1 && nodes[2].fails.Load())
			}
		}
		await(t, "the backup is known", eligible(2))
		want("all ready", false)
		nodes[0].fails.Store(true)
		await(t, "one node is down", eligible(1))
		want("one ready", false)
		nodes[2].fails.Store(true)
		await(t, "the backup takes over", eligible(1))
		want("none ready", true)
		nodes[0].fails.Store(false)
		nodes[2].fails.Store(false)
		await(t, "the nodes are back", eligible(2))
		want("all ready again", false)
	}
}

// A repeatable request moves to the backup when the only other node refuses it.
func TestRequestMovesToTheBackup(t *testing.T) {
	backup := serveSwitched(t)
	addresses := []string{serve(t, respondWith("ok")), backup.Listener.Addr().String()}
	p := startPool(t, "", nil, addresses...)
	set := setOf(addresses...)
	set.Nodes[1].Backup = true
	p.Update(set)
	for _, n := range set.Nodes {
		if err := p.AwaitReady(t.Context(), n.ID); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the backup is known", func() bool { return p.members["shop-2"].Node().Backup })
	p.members["shop-1"].conns.dial = (&dialer{endpoint: parseEndpoint(refusingAddress(t))}).dial
	if status, _, err := send(t.Context(), p, "POST", "x"); status != 200 || err != nil || backup.received.Load() != 1 {
		t.Errorf("%d %v, the backup got %d requests", status, err, backup.received.Load())
	}
}
