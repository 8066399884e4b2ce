package fleet_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

// release returns the service shop as a release runs it.
func release(name string, nodes ...int) config.Service {
	return with(shop(nodes...), func(s *config.Service) { s.Run = []string{"shop", name} })
}

// versions lists what the nodes that exist run: "v1 v1 v2".
func (sim *simulation) versions() string {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	var all []string
	for id := range sim.nodes {
		i := slices.IndexFunc(sim.specs, func(s fleet.Spec) bool { return s.ID == id })
		all = append(all, sim.specs[i].Run[1])
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// wantVersion checks what the status says of the versions of the first service.
func (r *runningFleet) wantVersion(t *testing.T, version, previous int, rolledBack bool) {
	t.Helper()
	st := r.Services()[0]
	if st.Version != version || st.Previous != previous || st.RolledBack != rolledBack {
		t.Errorf("status has version %d, previous %d, rolled back %v; want %d, %d, %v",
			st.Version, st.Previous, st.RolledBack, version, previous, rolledBack)
	}
	for _, n := range r.Nodes(st.Service) {
		if n.Version != version {
			t.Errorf("node %s has version %d, want %d", n.ID, n.Version, version)
		}
	}
}

func TestDeployAndRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 2))
		r.wantVersion(t, 1, 0, false)
		wantError(t, r.Rollback(t.Context(), "shop"), fleet.ErrNoPrevious)
		wantError(t, r.Deploy(t.Context(), owned(sim, release("v2", 3))), nil)
		time.Sleep(2 * time.Second)
		r.wantVersion(t, 2, 1, false)
		if got, want := sim.versions(), "v2 v2 v2"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		wantError(t, r.Rollback(t.Context(), "shop"), nil)
		r.wantVersion(t, 1, 0, true)
		if got, want := sim.versions(), "v1 v1 v1"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		if s, ok := r.Running("shop"); !ok || s.Run[1] != "v1" || s.MinNodes != 3 {
			t.Errorf("Running returns %+v: want the program of v1 with the bounds of the file", s)
		}
		wantError(t, r.Rollback(t.Context(), "shop"), fleet.ErrNoPrevious)

		// An update does not undo the rollback, but takes bounds. A deploy does.
		err := r.Update(t.Context(), owned(sim, release("v2", 4)))
		wantError(t, err, fleet.ErrRolledBack)
		time.Sleep(2 * time.Second)
		if got, want := sim.versions(), "v1 v1 v1 v1"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		wantError(t, r.Deploy(t.Context(), owned(sim, release("v2", 2))), nil)
		r.wantVersion(t, 3, 1, false)
		wantError(t, r.Update(t.Context(), owned(sim, release("v4", 2))), nil)
		r.wantVersion(t, 4, 3, false)
		r.stop(t, sim)
	})
}

// After a rollback the file is set back, too: it says what runs, so the rollback is over.
func TestUpdateToWhatRunsEndsARollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 2))
		wantError(t, r.Deploy(t.Context(), owned(sim, release("v2", 2))), nil)
		wantError(t, r.Rollback(t.Context(), "shop"), nil)
		sim.takeEvents()
		wantError(t, r.Update(t.Context(), owned(sim, release("v1", 2))), nil)
		wantStrings(t, "events", sim.takeEvents(), nil)
		r.wantVersion(t, 1, 0, false)
		wantError(t, r.Update(t.Context(), owned(sim, release("v3", 2))), nil)
		r.wantVersion(t, 3, 1, false)
		r.stop(t, sim)
	})
}

// The files that the command reads may be new although the configuration is not.
func TestDeployOfTheSameConfigurationReplacesTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(2))
		wantError(t, r.Deploy(t.Context(), owned(sim, shop(2))), nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-3", "shop-4"})
		r.wantVersion(t, 2, 1, false)
		r.stop(t, sim)
	})
}

func TestDeployThatIsHeldBackKeepsThePreviousVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 2))
		wantError(t, r.Deploy(t.Context(), owned(sim, release("v2", 2))), nil)
		sim.life = func(string) time.Duration { return time.Millisecond }
		failed := (*fleet.NodeError)(nil)
		if err := r.Deploy(t.Context(), owned(sim, release("bad", 2))); !errors.As(err, &failed) {
			t.Errorf("a deploy of a version that fails returned %v", err)
		}
		sim.life = nil
		r.wantVersion(t, 2, 1, false)
		if got, want := sim.versions(), "v2 v2"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}

		// There is nothing to undo, but an update does not try the version again.
		wantError(t, r.Rollback(t.Context(), "shop"), nil)
		r.wantVersion(t, 2, 1, true)
		wantError(t, r.Update(t.Context(), owned(sim, release("bad", 2))), fleet.ErrRolledBack)
		wantError(t, r.Deploy(t.Context(), owned(sim, release("v4", 2))), nil)
		r.wantVersion(t, 4, 2, false)
		r.stop(t, sim)
	})
}

func TestOperationsOnOneServiceExcludeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 3), static("db", "10.0.0.1:1"))
		result := make(chan error)
		go func() { result <- r.Deploy(t.Context(), owned(sim, release("v2", 3))) }()
		time.Sleep(500 * time.Millisecond)
		for name, err := range map[string]error{
			"deploy":   r.Deploy(t.Context(), owned(sim, release("v3", 3))),
			"share":    r.DeployShare(t.Context(), owned(sim, release("v3", 3)), 0.1),
			"promote":  r.Promote(t.Context(), "shop"),
			"rollback": r.Rollback(t.Context(), "shop"),
			"restart":  r.Restart(t.Context(), "shop"),
			"update":   r.Update(t.Context(), owned(sim, release("v3", 3))),
		} {
			if !errors.Is(err, fleet.ErrBusy) || !strings.Contains(err.Error(), "its deploy is not finished") {
				t.Errorf("%s during a deploy returned %v", name, err)
			}
		}
		if st := r.Services()[0]; st.Operation != "deploy" {
			t.Errorf("status is %+v", st)
		}
		wantError(t, <-result, nil)
		wantError(t, r.Rollback(t.Context(), "db"), fleet.ErrStatic)
		wantError(t, r.Promote(t.Context(), "db"), fleet.ErrStatic)
		wantError(t, r.Deploy(t.Context(), owned(sim, static("db", "10.0.0.2:1"))), nil)
		wantError(t, r.Deploy(t.Context(), owned(sim, with(shop(1), func(s *config.Service) { s.Name = "x" }))), fleet.ErrUnknownService)
		wantError(t, r.Rollback(t.Context(), "x"), fleet.ErrUnknownService)
		wantError(t, r.Promote(t.Context(), "shop"), fleet.ErrNoCanary)
		r.stop(t, sim)
	})
}

func TestCanaryRunsNextToTheOthersUntilItIsPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 4))
		wantError(t, r.DeployShare(t.Context(), owned(sim, release("v2", 4)), 0.1), nil)
		if got, want := sim.versions(), "v1 v1 v1 v1 v2"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		if set := r.sets(t)["shop"]; set.Canary.Version != 2 || set.Canary.Share != 0.1 || set.Nodes[4].Version != 2 {
			t.Errorf("set is %+v", set)
		}
		if st := r.Services()[0]; st.Version != 1 || st.Canary.Version != 2 || st.Wanted != 4 {
			t.Errorf("status is %+v", st)
		}
		err := r.Deploy(t.Context(), owned(sim, release("v2", 4)))
		if !errors.Is(err, fleet.ErrCanary) || !strings.Contains(err.Error(), "version 2 gets 10% of the requests") {
			t.Errorf("a deploy during a canary returned %v", err)
		}
		wantError(t, r.DeployShare(t.Context(), owned(sim, release("v3", 4)), 0.1), fleet.ErrCanary)
		wantError(t, r.Update(t.Context(), owned(sim, release("v2", 4))), nil)
		wantError(t, r.Update(t.Context(), owned(sim, release("v3", 4))), fleet.ErrCanary)

		// The share changes, and a node of the canary crashes.
		wantError(t, r.DeployShare(t.Context(), owned(sim, release("v2", 4)), 0.5), nil)
		sim.crash("shop-5")
		time.Sleep(5 * time.Second)
		if got, want := sim.versions(), "v1 v1 v1 v1 v2 v2"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		sim.takeEvents()
		wantError(t, r.Promote(t.Context(), "shop"), nil)
		time.Sleep(2 * time.Second)
		if started := sim.takeEvents("start"); len(started) != 2 {
			t.Errorf("a promotion of two of four nodes started %v", started)
		}
		r.wantVersion(t, 2, 1, false)
		if got, want := sim.versions(), "v2 v2 v2 v2"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		wantError(t, r.Rollback(t.Context(), "shop"), nil)
		r.wantVersion(t, 1, 0, true)
		r.stop(t, sim)
	})
}

func TestRollbackEndsACanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 2))
		wantError(t, r.DeployShare(t.Context(), owned(sim, release("v2", 2)), 0.5), nil)
		wantError(t, r.Rollback(t.Context(), "shop"), nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2"})
		r.wantVersion(t, 1, 0, false)
		if set := r.sets(t)["shop"]; set.Canary.Version != 0 {
			t.Errorf("set is %+v", set)
		}
		r.stop(t, sim)
	})
}

func TestCanaryThatFailsIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 2))
		sim.life = func(id string) time.Duration { return 10 * time.Millisecond }
		failed := (*fleet.NodeError)(nil)
		if err := r.DeployShare(t.Context(), owned(sim, release("v2", 2)), 0.5); !errors.As(err, &failed) {
			t.Errorf("a canary that fails returned %v", err)
		}
		sim.life = nil
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2"})
		if st := r.Services()[0]; st.Canary.Version != 0 || st.Operation != "" || st.Version != 1 {
			t.Errorf("status is %+v", st)
		}
		for _, share := range []float64{0, 1, -1, 2} {
			if err := r.DeployShare(t.Context(), owned(sim, release("v2", 2)), share); err == nil {
				t.Errorf("share %v was accepted", share)
			}
		}
		worker := config.Service{Name: "mail", Run: []string{"work"}, MinNodes: 1, MaxNodes: 1, Worker: true, Restart: config.RestartNever}
		if err := r.Add(owned(sim, worker)); err != nil {
			t.Fatal(err)
		}
		wantError(t, r.DeployShare(t.Context(), owned(sim, worker), 0.5), fleet.ErrWorker)
		r.stop(t, sim)
	})
}

// Any sequence of operations leaves the wanted number of nodes, all of the version that the status names.
func TestRandomOperationsEndWhole(t *testing.T) {
	for seed := range 30 {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation()
			random := seeded(seed)
			r := start(t, sim, release("v1", 1, 5))
			for i := range 25 {
				s := owned(sim, release(fmt.Sprint("v", random.IntN(4)), 1+random.IntN(2), 3+random.IntN(3)))
				switch random.IntN(8) {
				case 0:
					go r.Deploy(t.Context(), s)
				case 1:
					go r.Update(t.Context(), s)
				case 2:
					go r.Rollback(t.Context(), "shop")
				case 3:
					go r.DeployShare(t.Context(), s, 0.3)
				case 4:
					go r.Promote(t.Context(), "shop")
				case 5:
					r.Scale(t.Context(), "shop", 1+random.IntN(5))
				case 6:
					go r.Restart(t.Context(), "shop")
				case 7:
					if alive := sim.alive(); len(alive) > 0 {
						id := alive[random.IntN(len(alive))]
						go r.Drain(t.Context(), id, false)
						if i%2 == 0 {
							sim.crashIfAlive(id)
						}
					}
				}
				time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
			}
			time.Sleep(5 * time.Minute)
			r.Rollback(t.Context(), "shop") // ends a canary
			time.Sleep(5 * time.Minute)
			st := r.Services()[0]
			if st.Operation != "" || st.Ready != st.Wanted || st.Running != st.Wanted || st.Canary.Version != 0 {
				t.Errorf("seed %d: status is %+v", seed, st)
			}
			for _, n := range r.Nodes("shop") {
				if n.Version != st.Version {
					t.Errorf("seed %d: %s has version %d, the service %d", seed, n.ID, n.Version, st.Version)
				}
			}
			r.stop(t, sim)
		})
	}
}

// A version whose nodes end soon after they were ready costs no old node.
func TestVersionThatEndsSoonAfterItIsReadyIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, release("v1", 3))
		sim.life = func(string) time.Duration { return 1800 * time.Millisecond } // ready after 1s
		failed := (*fleet.NodeError)(nil)
		if err := r.Deploy(t.Context(), owned(sim, release("v2", 3))); !errors.As(err, &failed) || failed.Node != "shop-4" {
			t.Errorf("deploy returned %v", err)
		}
		sim.life = nil
		wantStrings(t, "drained", sim.takeEvents("drain"), nil)
		time.Sleep(time.Minute)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2", "shop-3"})
		r.stop(t, sim)
	})
}
