package fleet_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/node"
)

func hungShop(nodes ...int) config.Service {
	s := shop(nodes...)
	s.ReplaceAfter = time.Minute
	s.Drain = time.Hour // of no use for a node that hangs
	return s
}

func TestHungNodeIsReplacedAfterItsReplacementIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return time.Hour }  // its requests never finish
		sim.ending = func(string) time.Duration { return time.Hour } // it does not react to SIGTERM
		r := start(t, sim, hungShop(2))
		sim.takeEvents()
		begun := time.Now()
		sim.setHung("requests", "shop-1")
		time.Sleep(10 * time.Second)
		wantStrings(t, "events", sim.takeEvents(), []string{"start shop-3", "ready shop-3", "drain shop-1", "cut shop-1", "stop shop-1", "kill shop-1", "end shop-1"})
		wantStrings(t, "alive", sim.alive(), []string{"shop-2", "shop-3"})
		sim.wantLog(t, `msg="node is replaced" service=shop node=shop-1 why=requests`)
		sim.wantLog(t, `msg="node replaced" service=shop node=shop-1 why=requests after_ms=6000`) // 1 s to be ready, 5 s to end
		if st := r.Services()[0]; st.Restarts != 0 || st.Ready != 2 {
			t.Errorf("%v after the hang, the status is %+v", time.Since(begun), st)
		}
		sim.drain, sim.ending = nil, nil
		r.stop(t, sim)
	})
}

func TestHungNodesAreReplacedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, hungShop(4))
		sim.takeEvents()
		sim.setHung("probe", "shop-2", "shop-3", "shop-4")
		time.Sleep(time.Minute)
		wantStrings(t, "events", sim.takeEvents("start", "ready", "end"), []string{
			"start shop-5", "ready shop-5", "end shop-2", "start shop-6", "ready shop-6", "end shop-3", "start shop-7", "ready shop-7", "end shop-4"})
		if sim.peak != 5 {
			t.Errorf("%d nodes at one time, want at most one more than 4", sim.peak)
		}
		r.stop(t, sim)
	})
}

// All nodes fail their probes because of a database, and a new node does not get ready either.
func TestServiceThatHangsAsAWholeIsNotReplacedInAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		var away atomic.Bool
		sim.ready = func(string) time.Duration {
			if away.Load() {
				return -1
			}
			return time.Second
		}
		r := startFleet(t, newFleet(t, sim, fleet.Options{StartTimeout: time.Minute, BackoffMax: time.Hour}, hungShop(3)))
		away.Store(true)
		sim.takeEvents()
		sim.setHung("probe", "shop-1", "shop-2", "shop-3")
		time.Sleep(time.Hour)
		for _, id := range []string{"shop-1", "shop-2", "shop-3"} {
			if !strings.Contains(strings.Join(sim.alive(), " "), id) {
				t.Errorf("%s is gone: %v", id, sim.alive())
			}
		}
		// A try takes a minute, and the pauses are 1, 2, 4, 8, 8, ... minutes.
		if starts := len(sim.takeEvents("start")); starts < 5 || starts > 10 {
			t.Errorf("%d nodes were started in an hour", starts)
		}
		away.Store(false)
		sim.setHung("", "shop-1", "shop-2", "shop-3")
		time.Sleep(10 * time.Minute)
		if st := r.Services()[0]; st.Ready != 3 || st.Running != 3 || st.CrashLoop {
			t.Errorf("after the database is back, the status is %+v", st)
		}
		r.stop(t, sim)
	})
}

// The hung node holds a lock that the new one needs.
func TestHungNodeEndsFirstAfterItsReplacementFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(id string) time.Duration {
			sim.mu.Lock()
			defer sim.mu.Unlock()
			if id != "shop-1" && sim.nodes["shop-1"] != nil {
				return -1
			}
			return time.Second
		}
		r := start(t, sim, hungShop(1))
		sim.setHung("probe", "shop-1")
		time.Sleep(5 * time.Minute)
		if st := r.Services()[0]; st.Ready != 1 || sim.alive()[0] == "shop-1" {
			t.Errorf("status is %+v with %v", st, sim.alive())
		}
		sim.wantLog(t, `msg="node not replaced".*node=shop-1 why=probe`)
		sim.wantLog(t, `msg="node is replaced".*node=shop-1 why=probe ends_first=true`)
		r.stop(t, sim)
	})
}

func TestHungListedNodeIsOnlyMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		s := static("old", "10.0.0.1:80", "10.0.0.2:80")
		s.ReplaceAfter = time.Minute
		r := start(t, sim, s)
		sim.setHung("probe", "old-1")
		time.Sleep(10 * time.Minute)
		for _, n := range r.Nodes("old") {
			if n.State != node.Starting {
				t.Errorf("%s is %v", n.ID, n.State)
			}
		}
		r.stop(t, sim)
	})
}

// A restart replaces the node that hangs, too.
func TestRestartReplacesTheHungNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, hungShop(2))
		sim.takeEvents()
		result := make(chan error, 1)
		go func() { result <- r.Restart(t.Context(), "shop") }()
		synctest.Wait()
		sim.setHung("probe", "shop-2")
		wantError(t, <-result, nil)
		time.Sleep(time.Minute)
		wantStrings(t, "events", sim.takeEvents("start", "end"), []string{"start shop-3", "end shop-1", "start shop-4", "end shop-2"})
		r.stop(t, sim)
	})
}

func TestNodeAboveItsMemoryLimitIsReplaced(t *testing.T) {
	for _, worker := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation()
			s := hungShop(2)
			s.ReplaceAfter = 0 // off: the limit has nothing to do with it
			s.Drain, s.Worker = 10*time.Second, worker
			s.Resources.Memory = 1 << 20
			r := start(t, sim, s)
			sim.takeEvents()
			sim.exceed("shop-2")
			time.Sleep(time.Minute)
			want := []string{"start shop-3", "end shop-2"}
			wantStrings(t, "events", sim.takeEvents("start", "end"), want)
			sim.wantLog(t, `msg="node is replaced".*node=shop-2 why=memory`)
			if st := r.Services()[0]; st.Restarts != 0 || st.Ready != 2 {
				t.Errorf("status is %+v", st)
			}
			r.stop(t, sim)
		})
	}
}
