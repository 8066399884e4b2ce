package fleet_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

func TestLastReadyListedNodeIsDrainedByForceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, static("db", "10.0.0.1:80", "10.0.0.2:80"))
		wantError(t, r.Drain(t.Context(), "db-1", false), nil)
		wantError(t, r.Drain(t.Context(), "db-2", false), fleet.ErrLastReady)
		if got, want := nodes(r.sets(t)["db"]), "db-1 draining, db-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		wantError(t, r.Drain(t.Context(), "db-2", true), nil)
		wantError(t, r.Drain(t.Context(), "db-2", false), nil) // it has drained already
		if got, want := nodes(r.sets(t)["db"]), "db-1 draining, db-2 draining"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		r.stop(t, sim)
	})
}

func TestListedNodeThatIsNotReadyIsDrainedWithoutForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(string) time.Duration { return -1 }
		r := start(t, sim, static("db", "10.0.0.1:80"))
		wantError(t, r.Drain(t.Context(), "db-1", false), nil)
		r.stop(t, sim)
	})
}

func TestUndrainOfAListedNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 5 * time.Second }
		r := start(t, sim, static("db", "10.0.0.1:80", "10.0.0.2:80"))
		wantError(t, r.Undrain("db-1"), fleet.ErrNotDraining)
		wantError(t, r.Undrain("db-9"), fleet.ErrUnknownNode)

		drained := make(chan error, 1) // undrained while it drains
		go func() { drained <- r.Drain(t.Context(), "db-1", false) }()
		synctest.Wait()
		wantError(t, r.Drain(t.Context(), "db-1", false), fleet.ErrBusy)
		wantError(t, r.Undrain("db-1"), nil)
		wantError(t, <-drained, fleet.ErrUndrained)
		if n := r.Nodes("db")[0]; n.Admitted != 1 || nodes(r.sets(t)["db"]) != "db-1 starting, db-2 starting" {
			t.Errorf("node is %+v", n)
		}

		wantError(t, r.Drain(t.Context(), "db-1", false), nil) // undrained after its drain
		time.Sleep(time.Hour)
		wantError(t, r.Undrain("db-1"), nil)
		if n := r.Nodes("db")[0]; n.Admitted != 2 || nodes(r.sets(t)["db"]) != "db-1 starting, db-2 starting" {
			t.Errorf("node is %+v", n)
		}
		wantStrings(t, "events", sim.takeEvents("cut", "stop", "end"), []string{})
		r.stop(t, sim)
	})
}

// Two drains at the same time: one of both nodes stays.
func TestDrainsAtTheSameTimeLeaveOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, static("db", "10.0.0.1:80", "10.0.0.2:80"))
		results := make(chan error, 2)
		for _, id := range []string{"db-1", "db-2"} {
			go func() { results <- r.Drain(t.Context(), id, false) }()
		}
		first, second := <-results, <-results
		if (first == nil) == (second == nil) {
			t.Errorf("the drains returned %v and %v", first, second)
		}
		r.stop(t, sim)
	})
}

// A node that drains for its replacement stays, and the replacement goes.
func TestUndrainOfANodeThatIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(id string) time.Duration {
			if id == "shop-1" {
				return 8 * time.Second
			}
			return 0
		}
		r := start(t, sim, shop(2))
		wantError(t, r.Undrain("shop-1"), fleet.ErrNotDraining)
		drained := make(chan error, 1)
		go func() { drained <- r.Drain(t.Context(), "shop-1", false) }()
		time.Sleep(2 * time.Second) // the replacement, shop-3, is ready
		synctest.Wait()
		wantError(t, r.Undrain("shop-1"), nil)
		wantError(t, <-drained, fleet.ErrUndrained)
		time.Sleep(time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2"})
		if got, want := nodes(r.sets(t)["shop"]), "shop-1 starting, shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q: the gateway decides when it is ready", got, want)
		}
		if st := r.Services()[0]; st.Ready != 2 || st.Draining != 0 || st.Restarts != 0 {
			t.Errorf("status is %+v", st)
		}
		sim.crash("shop-1") // the slot works on: it replaces its node
		time.Sleep(2 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"shop-2", "shop-4"})

		sim.drain = nil
		wantError(t, r.Drain(t.Context(), "shop-2", false), nil)
		wantError(t, r.Undrain("shop-2"), fleet.ErrUnknownNode)
		r.stop(t, sim)
	})
}

func TestNodeThatEndsCannotBeUndrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ending = func(string) time.Duration { return 3 * time.Second }
		r := start(t, sim, shop(2))
		go r.Drain(t.Context(), "shop-1", false)
		time.Sleep(2 * time.Second) // it has drained, and has got SIGTERM
		wantError(t, r.Undrain("shop-1"), fleet.ErrEnding)
		r.stop(t, sim)
	})
}

// A restart whose old node is undrained stops there.
func TestUndrainDuringARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 8 * time.Second }
		r := start(t, sim, shop(3))
		result := make(chan error, 1)
		go func() { result <- r.Restart(context.Background(), "shop") }()
		time.Sleep(2 * time.Second)
		wantError(t, r.Undrain("shop-1"), nil)
		wantError(t, <-result, fleet.ErrUndrained)
		time.Sleep(time.Minute)
		if st := r.Services()[0]; st.Ready != 3 || st.Running != 3 || st.Operation != "" {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}
