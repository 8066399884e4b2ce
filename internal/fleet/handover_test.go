package fleet_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/node"
)

// instance returns a node that runs, as the driver of a successor does.
func (sim *simulation) instance(id string) (fleet.Instance, bool) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	i, ok := sim.nodes[id]
	return i, ok
}

// succeed makes the fleet of a successor. What it is told travels as JSON, as between processes.
func succeed(t *testing.T, old *runningFleet, sim *simulation, services ...config.Service) (*fleet.Fleet, map[string][]string) {
	t.Helper()
	h, err := old.Handover()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	h = fleet.Handover{}
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, sim, fleet.Options{}, services...)
	ready, err := f.Adopt(h, sim.instance)
	if err != nil {
		t.Fatal(err)
	}
	return f, ready
}

func TestASuccessorTakesOverTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		list := config.Service{Name: "list", Addresses: []string{"a:1", "b:1"}, Drain: time.Second}
		services := []config.Service{shop(2, 4), {Name: "mail", Run: []string{"work"}, MinNodes: 1, MaxNodes: 1, Worker: true}, list}
		old := start(t, sim, services...)
		time.Sleep(time.Minute)
		if err := old.Scale(t.Context(), "shop", 3); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		sim.crash("shop-1")
		if err := old.Drain(t.Context(), "list-2", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		before := strings.Join(sim.alive(), " ")

		f, ready := succeed(t, old, sim, services...)
		if got := strings.Join(ready["shop"], " "); got != "shop-2 shop-3 shop-4" || len(ready["mail"]) != 0 {
			t.Errorf("ready are %v", ready)
		}
		old.Detach()
		old.cancel()
		wait(t, old)
		next := startFleet(t, f)
		synctest.Wait()
		if after := strings.Join(sim.alive(), " "); after != before {
			t.Errorf("nodes are %s, were %s", after, before)
		}
		st := next.Services()[0]
		if st.Wanted != 3 || st.Ready != 3 || st.Restarts != 1 || st.LastExit.Node != "shop-1" {
			t.Errorf("the service is %+v", st)
		}
		if n := next.Nodes("list"); n[0].State != node.Starting || n[1].State != node.Draining {
			t.Errorf("the list is %+v", n)
		}
		sim.crash("shop-3")
		time.Sleep(time.Minute)
		if got, want := strings.Join(sim.alive(), " "), "mail-1 shop-2 shop-4 shop-5"; got != want {
			t.Errorf("after a crash the nodes are %s, want %s: an id is never reused", got, want)
		}
		next.stop(t, sim)
	})
}

// A node drains, another one ends during the handover: the successor finishes the one and replaces the other.
func TestASuccessorFinishesWhatItsPredecessorBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 10 * time.Second }
		old := start(t, sim, shop(1, 3))
		old.Scale(t.Context(), "shop", 3)
		time.Sleep(time.Minute)
		old.Scale(t.Context(), "shop", 2)
		time.Sleep(time.Second)
		f, ready := succeed(t, old, sim, shop(1, 3))
		if got := strings.Join(ready["shop"], " "); got != "shop-1 shop-2" {
			t.Errorf("ready are %s", got)
		}
		old.Detach()
		old.cancel()
		next := startFleet(t, f)
		time.Sleep(time.Minute)
		if got, want := strings.Join(sim.alive(), " "), "shop-1 shop-2"; got != want {
			t.Errorf("nodes are %s, want %s", got, want)
		}
		wait(t, old)

		h, err := next.Handover()
		if err != nil {
			t.Fatal(err)
		}
		sim.crash("shop-2")
		third := newFleet(t, sim, fleet.Options{}, shop(1, 3))
		if _, err := third.Adopt(h, sim.instance); err != nil {
			t.Fatal(err)
		}
		next.Detach()
		next.cancel()
		wait(t, next)
		last := startFleet(t, third)
		time.Sleep(time.Minute)
		if n := len(sim.alive()); n != 2 {
			t.Errorf("%d nodes, want 2", n)
		}
		last.stop(t, sim)
	})
}

// A node that hangs during the handover does not answer the successor, which replaces it as its predecessor would.
func TestASuccessorReplacesAHungNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		s := shop(2)
		s.ReplaceAfter, s.Drain = 10*time.Second, time.Hour
		old := start(t, sim, s)
		time.Sleep(time.Minute)
		sim.ready = func(id string) time.Duration {
			if id == "shop-1" {
				return -1
			}
			return time.Second
		}
		sim.drain = func(string) time.Duration { return time.Hour } // its requests do not finish either
		f, _ := succeed(t, old, sim, s)
		old.Detach()
		old.cancel()
		wait(t, old)
		next := startFleet(t, f)
		time.Sleep(9 * time.Second)
		if got := strings.Join(sim.alive(), " "); got != "shop-1 shop-2" {
			t.Errorf("before replace_after is over, the nodes are %s", got)
		}
		time.Sleep(10 * time.Second)
		if got := strings.Join(sim.alive(), " "); got != "shop-2 shop-3" {
			t.Errorf("after replace_after and the drain of a hung node, the nodes are %s", got)
		}
		sim.drain = nil
		next.stop(t, sim)
	})
}

func TestNoHandoverWhileAServiceChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(2))
		time.Sleep(time.Minute)
		done := make(chan error)
		go func() { done <- r.Restart(t.Context(), "shop") }()
		time.Sleep(time.Millisecond)
		if _, err := r.Handover(); !errors.Is(err, fleet.ErrBusy) || !strings.Contains(err.Error(), `service "shop"`) {
			t.Errorf("during a restart: %v", err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		go func() { done <- r.Drain(t.Context(), "shop-3", false) }()
		time.Sleep(time.Millisecond)
		if _, err := r.Handover(); !errors.Is(err, fleet.ErrBusy) {
			t.Errorf("during a drain: %v", err)
		}
		<-done
		if _, err := r.Handover(); err != nil {
			t.Errorf("after both: %v", err)
		}
		r.stop(t, sim)
	})
}

// wait returns after Run has returned.
func wait(t *testing.T, r *runningFleet) {
	t.Helper()
	if err := <-r.result; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// The successor can roll back, promote and finish what its predecessor has deployed, and runs no before command and no
// finished job again.
func TestASuccessorKeepsVersionsAndFinishedJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Second, exitZero)
		job := config.Service{Name: "job", Run: []string{"job"}, MinNodes: 1, MaxNodes: 1, Worker: true, Restart: config.RestartNever}
		old := start(t, sim, withBefore(release("v1", 4)), job)
		time.Sleep(5 * time.Second)
		wantError(t, old.Deploy(t.Context(), owned(sim, withBefore(release("v2", 4)))), nil)
		wantError(t, old.DeployShare(t.Context(), owned(sim, withBefore(release("v3", 4))), 0.25), nil)
		sim.crash("job-1")
		time.Sleep(time.Minute)
		commands, before := sim.commandCount(), strings.Join(sim.alive(), " ")

		f, _ := succeed(t, old, sim, withBefore(release("v3", 4)), job)
		old.Detach()
		old.cancel()
		wait(t, old)
		next := startFleet(t, f)
		time.Sleep(time.Minute)
		if after := strings.Join(sim.alive(), " "); after != before || sim.commandCount() != commands {
			t.Errorf("nodes are %s, were %s; %d commands more", after, before, sim.commandCount()-commands)
		}
		shop, done := next.Services()[0], next.Services()[1]
		if shop.Version != 2 || shop.Previous != 1 || shop.Canary.Version != 3 || shop.Canary.Share != 0.25 || done.Finished != 1 {
			t.Errorf("services are %+v and %+v", shop, done)
		}
		wantError(t, next.Promote(t.Context(), "shop"), nil)
		next.wantVersion(t, 3, 2, false)
		wantError(t, next.Rollback(t.Context(), "shop"), nil)
		next.wantVersion(t, 2, 0, true)
		if got, want := sim.versions(), "v2 v2 v2 v2"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		next.stop(t, sim)
	})
}

// The variables of an env_file belong to the version that the nodes run: a successor does not read the file again.
func TestASuccessorKeepsTheVariablesOfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		s := shop(1)
		s = s.WithFileVariables(map[string]string{"FROM_FILE": "yes"})
		old := start(t, sim, s)
		f, _ := succeed(t, old, sim, s)
		old.Detach()
		old.cancel()
		wait(t, old)
		next := startFleet(t, f)
		sim.crash("shop-1")
		time.Sleep(2 * time.Second)
		if spec := sim.lastSpec(); spec.ID != "shop-2" || !slices.Contains(spec.Env, "FROM_FILE=yes") {
			t.Errorf("the node after a crash got %+v", spec)
		}
		next.stop(t, sim)
	})
}
