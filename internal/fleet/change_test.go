package fleet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

// with returns a service after a change.
func with(s config.Service, change func(*config.Service)) config.Service {
	change(&s)
	return s
}

func owned(sim *simulation, s config.Service) fleet.Service { return withDriver(sim, s)[0] }

// setOf returns the current set of a service as text.
func (r *runningFleet) setOf(t *testing.T, service string) string {
	t.Helper()
	return nodes(r.sets(t)[service])
}

// lastSpec returns what was started last.
func (sim *simulation) lastSpec() fleet.Spec {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return sim.specs[len(sim.specs)-1]
}

func TestAddStartsAServiceOfARunningFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1))
		mail := with(shop(2), func(s *config.Service) { s.Name = "mail" })
		wantError(t, r.Add(owned(sim, mail)), nil)
		begun := time.Now()
		wantError(t, r.AwaitReady(t.Context(), "mail"), nil)
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("AwaitReady returned after %v; the nodes are ready after 1s", waited)
		}
		wantStrings(t, "alive", sim.alive(), []string{"mail-1", "mail-2", "shop-1"})
		if got, want := r.setOf(t, "mail"), "mail-1 starting, mail-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if err := r.Add(owned(sim, mail)); err == nil || !strings.Contains(err.Error(), `duplicate service name "mail"`) {
			t.Errorf("a second Add returned %v", err)
		}
		if err := r.Add(owned(sim, config.Service{Name: "bad"})); err == nil {
			t.Error("a service without a command or addresses was added")
		}
		if n := len(r.Services()); n != 2 {
			t.Errorf("%d services", n)
		}
		r.stop(t, sim)
		wantError(t, r.Add(owned(sim, with(mail, func(s *config.Service) { s.Name = "more" }))), fleet.ErrNotRunning)
	})
}

// The new service never works. The wait ends with what its node wrote, and the fleet goes on, also after the removal.
func TestAwaitReadyReportsWhyANodeOfAnAddedServiceFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.life = func(id string) time.Duration {
			if strings.HasPrefix(id, "bad") {
				return 10 * time.Millisecond
			}
			return 0
		}
		r := start(t, sim, shop(1))
		wantError(t, r.Add(owned(sim, with(shop(2), func(s *config.Service) { s.Name = "bad" }))), nil)
		err := r.AwaitReady(t.Context(), "bad")
		failed := (*fleet.NodeError)(nil)
		if !errors.As(err, &failed) || !strings.HasPrefix(failed.Node, "bad-") ||
			!strings.HasPrefix(err.Error(), `start service "bad": new node "bad-`) || !strings.Contains(err.Error(), "\n  last output of bad-") {
			t.Errorf("error is %v", err)
		}
		time.Sleep(time.Minute)
		wantError(t, r.Remove(t.Context(), "bad"), nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1"})
		if n := len(r.Services()); n != 1 {
			t.Errorf("%d services after the removal", n)
		}
		r.stop(t, sim)
	})
}

func TestRemoveDrainsAndForgetsAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 3 * time.Second }
		mail := with(shop(2), func(s *config.Service) { s.Name = "mail" })
		r := start(t, sim, shop(1), mail, static("db", "10.0.0.1:5432", "10.0.0.2:5432"))
		sim.takeEvents()
		for service, took := range map[string]time.Duration{"mail": 3 * time.Second, "db": 3 * time.Second} {
			begun := time.Now()
			wantError(t, r.Remove(t.Context(), service), nil)
			if d := time.Since(begun); d != took {
				t.Errorf("the removal of %s took %v, want %v", service, d, took)
			}
			wantError(t, r.Remove(t.Context(), service), fleet.ErrUnknownService)
			wantError(t, r.Scale(t.Context(), service, 2), fleet.ErrUnknownService)
		}
		drains := sim.takeEvents("drain")
		slices.Sort(drains)
		wantStrings(t, "events", drains, []string{"drain db-1", "drain db-2", "drain mail-1", "drain mail-2"})
		if left := r.Services(); len(left) != 1 || left[0].Service != "shop" {
			t.Errorf("services are %+v", left)
		}
		r.stop(t, sim)
	})
}

// A service is removed and added again while its nodes still drain. No id is used again.
func TestServiceIsAddedAgainDuringItsRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 5 * time.Second }
		r := start(t, sim, shop(1), static("db", "10.0.0.1:5432"))
		removed := make(chan error)
		go func() { removed <- r.Remove(t.Context(), "shop") }()
		time.Sleep(time.Second)
		wantError(t, r.Add(owned(sim, shop(1))), nil)
		wantError(t, r.AwaitReady(t.Context(), "shop"), nil)
		if got, want := r.setOf(t, "shop"), "shop-1 draining, shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		wantError(t, <-removed, nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-2"})
		wantError(t, r.Remove(t.Context(), "shop"), nil)
		wantError(t, r.Add(owned(sim, shop(1))), nil)
		wantError(t, r.AwaitReady(t.Context(), "shop"), nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-3"})
		r.stop(t, sim)
	})
}

func TestUpdateOfBoundsReplacesNoNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(2))
		sim.takeEvents()
		wantError(t, r.Update(t.Context(), owned(sim, with(shop(3, 5), func(s *config.Service) { s.Probe.Path = "/other" }))), nil)
		time.Sleep(2 * time.Second)
		wantStrings(t, "events", sim.takeEvents(), []string{"start shop-3", "ready shop-3"})
		if st := r.Services()[0]; st.Min != 3 || st.Max != 5 || st.Wanted != 3 || st.Operation != "" {
			t.Errorf("status is %+v", st)
		}
		wantError(t, r.Scale(t.Context(), "shop", 5), nil)
		wantError(t, r.Update(t.Context(), owned(sim, shop(1))), nil)
		time.Sleep(time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1"})
		r.stop(t, sim)
	})
}

func TestUpdateOfTheCommandReplacesNodeByNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(3))
		sim.takeEvents()
		sim.peak = 0
		changed := with(shop(3), func(s *config.Service) { s.Env = map[string]string{"A": "2"} })
		wantError(t, r.Update(t.Context(), owned(sim, changed)), nil)
		wantStrings(t, "events", sim.takeEvents(), []string{
			"start shop-4", "ready shop-4", "drain shop-1", "stop shop-1", "end shop-1",
			"start shop-5", "ready shop-5", "drain shop-2", "stop shop-2", "end shop-2",
			"start shop-6", "ready shop-6", "drain shop-3", "stop shop-3", "end shop-3",
		})
		if sim.peak != 4 {
			t.Errorf("%d nodes at one time, want 4", sim.peak)
		}
		if spec := sim.lastSpec(); !slices.Contains(spec.Env, "A=2") {
			t.Errorf("the last node got %v", spec.Env)
		}
		wantError(t, r.Update(t.Context(), owned(sim, changed)), nil)
		wantStrings(t, "events of an update without a change", sim.takeEvents(), nil)
		sim.crash("shop-4")
		time.Sleep(2 * time.Second)
		if spec := sim.lastSpec(); !slices.Contains(spec.Env, "A=2") {
			t.Errorf("the node after a crash got %v", spec.Env)
		}
		r.stop(t, sim)
	})
}

// The third node of the new version fails: the two that were replaced already go back to the old version.
func TestUpdateIsHeldBackAsAWhole(t *testing.T) {
	for name, last := range map[string]func(*simulation){
		"ends at once": func(sim *simulation) {
			sim.life = func(id string) time.Duration {
				if id == "shop-6" {
					return 10 * time.Millisecond
				}
				return 0
			}
		},
		"never ready": func(sim *simulation) {
			sim.ready = func(id string) time.Duration {
				if id == "shop-6" {
					return -1
				}
				return time.Second
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulation()
				last(sim)
				r := start(t, sim, shop(3))
				least := 3
				sim.starting = func(context.Context) { least = min(least, r.Services()[0].Ready) }
				changed := with(shop(3), func(s *config.Service) { s.Run = []string{"shop", "v2"} })
				err := r.Update(t.Context(), owned(sim, changed))
				failed := (*fleet.NodeError)(nil)
				if !errors.As(err, &failed) || failed.Node != "shop-6" || !strings.Contains(err.Error(), "\n  last output of shop-6") {
					t.Errorf("error is %v", err)
				}
				time.Sleep(time.Minute)
				wantStrings(t, "alive", sim.alive(), []string{"shop-3", "shop-7", "shop-8"})
				for _, spec := range sim.specs {
					if old := spec.Run[1] == "serve"; old != (spec.ID != "shop-4" && spec.ID != "shop-5" && spec.ID != "shop-6") {
						t.Errorf("%s ran %v", spec.ID, spec.Run)
					}
				}
				if least < 3 {
					t.Errorf("only %d nodes were ready at one time", least)
				}
				if st := r.Services()[0]; st.Ready != 3 || st.Operation != "" {
					t.Errorf("status is %+v", st)
				}
				r.stop(t, sim)
			})
		})
	}
}

// A scale, a drain, a crash and a second update arrive during an update.
func TestUpdateWithOtherChangesAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, sim, shop(3, 6))
		changed := with(shop(3, 6), func(s *config.Service) { s.Run = []string{"shop", "v2"} })
		result := make(chan error)
		go func() { result <- r.Update(t.Context(), owned(sim, changed)) }()
		time.Sleep(500 * time.Millisecond)
		err := r.Update(t.Context(), owned(sim, shop(3, 6)))
		wantError(t, err, fleet.ErrBusy)
		if want := "its update is not finished"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
		wantError(t, r.Restart(t.Context(), "shop"), fleet.ErrBusy)
		wantError(t, r.Scale(t.Context(), "shop", 5), nil)
		sim.crash("shop-2")
		drained := make(chan error)
		go func() { drained <- r.Drain(t.Context(), "shop-3", false) }()
		wantError(t, <-drained, nil)
		wantError(t, <-result, nil)
		time.Sleep(time.Minute)
		sim.mu.Lock()
		version := map[string]string{}
		for _, spec := range sim.specs {
			version[spec.ID] = spec.Run[1]
		}
		sim.mu.Unlock()
		alive := sim.alive()
		if len(alive) != 5 {
			t.Errorf("alive: %v, want 5 nodes", alive)
		}
		for _, id := range alive {
			if version[id] != "v2" {
				t.Errorf("%s runs %s", id, version[id])
			}
		}
		r.stop(t, sim)
	})
}

// The fleet ends in the middle of an update and of its way back.
func TestFleetEndsDuringAnUpdate(t *testing.T) {
	for after := 200 * time.Millisecond; after < 8*time.Second; after += 400 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation()
			sim.ready = func(id string) time.Duration {
				if id == "shop-6" {
					return -1
				}
				return time.Second
			}
			f := newFleet(t, sim, fleet.Options{StartTimeout: 2 * time.Second}, shop(3))
			r := startFleet(t, f)
			result := make(chan error)
			changed := with(shop(3), func(s *config.Service) { s.Run = []string{"shop", "v2"} })
			go func() { result <- r.Update(t.Context(), owned(sim, changed)) }()
			time.Sleep(after)
			r.stop(t, sim)
			if err := <-result; err == nil {
				t.Errorf("an update that was cut off after %v returned no error", after)
			}
		})
	}
}

func TestUpdateOfAListOfAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, sim, static("db", "10.0.0.1:1", "10.0.0.2:1"))
		changed := static("db", "10.0.0.2:1", "10.0.0.3:1")
		changed.Weights = []int{5, 1}
		result := make(chan error)
		go func() { result <- r.Update(t.Context(), owned(sim, changed)) }()
		time.Sleep(1500 * time.Millisecond)
		if got, want := r.setOf(t, "db"), "db-1 draining, db-2 starting, db-3 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		wantError(t, <-result, nil)
		set := r.sets(t)["db"]
		if got, want := nodes(set), "db-2 starting, db-3 starting"; got != want || set.Nodes[0].Weight != 5 {
			t.Errorf("set is %q %+v, want %q", got, set, want)
		}
		if st := r.Services()[0]; st.Wanted != 2 || st.Running != 2 {
			t.Errorf("status is %+v", st)
		}
		wantError(t, r.Update(t.Context(), owned(sim, static("db", "10.0.0.1:1"))), nil)
		if got, want := r.setOf(t, "db"), "db-4 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		r.stop(t, sim)
	})
}

func TestServiceChangesItsKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, sim, shop(2), static("db", "10.0.0.1:1"))
		sim.takeEvents()
		wantError(t, r.Update(t.Context(), owned(sim, static("shop", "10.0.0.9:1"))), nil)
		wantStrings(t, "alive", sim.alive(), []string{})
		if got, want := r.setOf(t, "shop"), "shop-3 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		wantError(t, r.Scale(t.Context(), "shop", 2), fleet.ErrStatic)
		bad := shop(2)
		sim.life = func(string) time.Duration { return time.Millisecond }
		failed := (*fleet.NodeError)(nil)
		if err := r.Update(t.Context(), owned(sim, bad)); !errors.As(err, &failed) {
			t.Errorf("a change to a command that fails returned %v", err)
		}
		if got, want := r.setOf(t, "shop"), "shop-3 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if st := r.Services()[0]; st.Kind != config.Listed || st.Wanted != 1 || st.Running != 1 {
			t.Errorf("status is %+v", st)
		}
		sim.life = nil
		wantError(t, r.Update(t.Context(), owned(sim, shop(2))), nil)
		if st := r.Services()[0]; st.Kind != config.Owned || st.Ready != 2 || st.Running != 2 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}

func TestErrorsForUnknownNamesListThoseThatExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1), static("db", "10.0.0.1:1"))
		for want, err := range map[string]error{
			`scale service "x" to 2: no such service; services: shop, db`: r.Scale(t.Context(), "x", 2),
			`restart service "x": no such service; services: shop, db`:    r.Restart(t.Context(), "x"),
			`drain node "x-1": no such node; nodes: shop-1, db-1`:         r.Drain(t.Context(), "x-1", false),
		} {
			if err == nil || err.Error() != want {
				t.Errorf("error is %v, want %s", err, want)
			}
		}
		r.stop(t, sim)
	})
}
