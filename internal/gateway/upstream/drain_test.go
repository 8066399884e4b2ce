package upstream

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tenfold-go/tenfold/internal/node"
)

func TestDrainWaitsForOldRequestsAndTakesNoNewOnes(t *testing.T) {
	address, arrived, release := serveGated(t)
	p := newPool(t, "balance: round-robin", address, serve(t, respondWith("other")))
	result := make(chan string, 1)
	go func() {
		for {
			_, body, _ := send(context.Background(), p, "GET", "")
			if body == "done" {
				result <- body
				return
			}
		}
	}()
	<-arrived
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(context.Background(), "shop-1") }()
	await(t, "the node is draining", func() bool { return p.Nodes()[0].State == node.Draining })
	for range 10 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
			t.Errorf("%q %v", body, err)
		}
	}
	select {
	case <-drained:
		t.Error("drained while the node held a request")
	default:
	}
	close(release)
	if got := <-result; got != "done" {
		t.Errorf("the old request got %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainCancelsWhenItsContextEnds(t *testing.T) {
	address, arrived, _ := serveGated(t)
	p := newPool(t, "", address)
	failed := make(chan error, 1)
	go func() {
		_, _, err := send(context.Background(), p, "POST", "x")
		failed <- err
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Drain(ctx, "shop-1"); err == nil || !strings.Contains(err.Error(), "cancelled 1") {
		t.Errorf("drain: %v", err)
	}
	if err := <-failed; !errors.Is(err, ErrDrained) {
		t.Errorf("request: %v, want %v", err, ErrDrained)
	}
	if err := p.Drain(ctx, "unknown"); err != nil {
		t.Errorf("drain of an unknown node: %v", err)
	}
}

// Several drains of one node all return when the node is idle, also while requests above the limit ask for its slots.
func TestConcurrentDrainsAllReturn(t *testing.T) {
	p := newPool(t, "limit: {in_flight: 1, queue: 0}", serve(t, respondWith("")))
	var requests, drains sync.WaitGroup
	for range 8 {
		requests.Go(func() {
			for range 50 {
				send(context.Background(), p, "GET", "")
			}
		})
	}
	for range 4 {
		drains.Go(func() {
			if err := p.Drain(context.Background(), "shop-1"); err != nil {
				t.Error(err)
			}
		})
	}
	drains.Wait()
	requests.Wait()
	if n := p.members["shop-1"].held(); n != 0 {
		t.Errorf("the drained node holds %d requests", n)
	}
}

// The published state alone keeps requests away from a node that the pool learns of too late for a call of Drain.
func TestNodeThatArrivesDrainingGetsNoRequests(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("ready")))
	set := setOf(p.members["shop-1"].Node().Address, serve(t, respondWith("draining")))
	set.Nodes[1].State = node.Draining
	if err := p.Drain(t.Context(), "shop-2"); err != nil { // it finds no such node
		t.Fatal(err)
	}
	p.Update(set)
	await(t, "the pool knows the node", func() bool { return len(p.Nodes()) == 2 })
	if state := p.Nodes()[1].State; state != node.Draining {
		t.Errorf("the node is %v, want draining", state)
	}
	for range 20 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "ready" || err != nil {
			t.Errorf("%q %v", body, err)
		}
	}
}
