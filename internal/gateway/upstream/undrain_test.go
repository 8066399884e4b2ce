package upstream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

// A node that was undrained gets requests again. Those that it held all the time go on, and a later drain waits for them.
func TestUndrainedNodeGetsRequestsAgain(t *testing.T) {
	address, arrived, release := serveGated(t)
	p := newPool(t, "", address)
	type result struct {
		text string
		err  error
	}
	results := make(chan result, 2)
	request := func() {
		_, text, err := send(t.Context(), p, "POST", "x")
		results <- result{text, err}
	}
	go request()
	<-arrived

	drain, undrain := context.WithCancelCause(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(drain, "shop-1") }()
	await(t, "the node drains", func() bool { return statusOf(p, "shop-1").State == node.Draining })
	set := setOf(address)
	set.Nodes[0].Admitted = 1
	p.Update(set)
	undrain(node.ErrUndrained)
	if err := <-drained; !errors.Is(err, node.ErrUndrained) {
		t.Errorf("Drain returned %v", err)
	}
	await(t, "the node is ready", func() bool { return statusOf(p, "shop-1").State == node.Ready })
	go request()
	<-arrived
	if s := statusOf(p, "shop-1"); s.InFlight != 2 || s.Requests != 2 {
		t.Errorf("the node holds %d requests of %d, want 2 of 2", s.InFlight, s.Requests)
	}

	again, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { drained <- p.Drain(again, "shop-1") }()
	await(t, "the node drains again", func() bool { return statusOf(p, "shop-1").State == node.Draining })
	for range 2 {
		if len(drained) > 0 {
			t.Error("the second drain did not wait for all requests")
		}
		release <- struct{}{}
		if r := <-results; r.err != nil || r.text != "done" {
			t.Errorf("a request got %q, %v", r.text, r.err)
		}
	}
	if err := <-drained; err != nil {
		t.Errorf("the second drain returned %v", err)
	}
}

// A set that is older than the undrain, or that does not know of it, changes nothing.
func TestDrainingNodeStaysSoWithoutAnUndrain(t *testing.T) {
	address := serve(t, respondWith("a"))
	p := newPool(t, "", address, serve(t, respondWith("b")))
	if err := p.Drain(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	set := setOf(address, "127.0.0.1:1")
	p.Update(set)
	await(t, "the set is applied", func() bool { return statusOf(p, "shop-2").Address == "127.0.0.1:1" })
	if s := statusOf(p, "shop-1"); s.State != node.Draining {
		t.Errorf("the node is %v", s.State)
	}
}
