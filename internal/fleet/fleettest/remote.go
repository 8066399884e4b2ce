package fleettest

import (
	"context"
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// RunRemote checks the contract of [fleet.Remote]. newRemote makes a system that runs two nodes.
func RunRemote(t *testing.T, newRemote func(*testing.T) fleet.Remote) {
	for _, c := range []struct {
		name string
		test func(*testing.T, fleet.Remote)
	}{
		{"Watch sends the current state at once", testFirstState},
		{"Scale changes the number of nodes", testRemoteScale},
		{"ids are not reused", testRemoteIDs},
		{"a slow reader gets the newest state", testSlowReader},
		{"Watch closes its channel after the end of its context", testWatchEnds},
		{"Scale with a cancelled context fails", testCancelledScale},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newRemote(t)) })
	}
}

func testFirstState(t *testing.T, r fleet.Remote) {
	if s := <-r.Watch(t.Context()); s.Wanted != 2 || len(s.Nodes) != 2 {
		t.Errorf("the first state is %+v, want two nodes", s)
	}
}

func testRemoteScale(t *testing.T, r fleet.Remote) {
	states := r.Watch(t.Context())
	for _, n := range []int{5, 1, 3} {
		scale(t, r, n)
		awaitNodes(t, states, n)
	}
}

func testRemoteIDs(t *testing.T, r fleet.Remote) {
	states := r.Watch(t.Context())
	before := awaitNodes(t, states, 2)
	scale(t, r, 1)
	one := awaitNodes(t, states, 1).Nodes[0].ID
	scale(t, r, 2)
	for _, n := range awaitNodes(t, states, 2).Nodes {
		for _, old := range before.Nodes {
			if n.ID == old.ID && n.ID != one {
				t.Errorf("the id %s is used again", n.ID)
			}
		}
	}
}

func testSlowReader(t *testing.T, r fleet.Remote) {
	states := r.Watch(t.Context())
	for n := 1; n <= 50; n++ {
		scale(t, r, n) // without a reader
	}
	awaitNodes(t, states, 50)
}

func testWatchEnds(t *testing.T, r fleet.Remote) {
	ctx, cancel := context.WithCancel(t.Context())
	states := r.Watch(ctx)
	<-states
	cancel()
	for range states { // ends when the channel is closed
	}
}

func testCancelledScale(t *testing.T, r fleet.Remote) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Scale(ctx, 3); err == nil {
		t.Error("no error")
	}
}

func scale(t *testing.T, r fleet.Remote, n int) {
	t.Helper()
	if err := r.Scale(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// awaitNodes reads states until one has n nodes.
func awaitNodes(t *testing.T, states <-chan fleet.RemoteState, n int) fleet.RemoteState {
	t.Helper()
	for s := range states {
		if s.Wanted == n && len(s.Nodes) == n {
			return s
		}
	}
	t.Fatalf("the channel was closed before there were %d nodes", n)
	return fleet.RemoteState{}
}
