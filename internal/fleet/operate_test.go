package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

func static(name string, addresses ...string) config.Service {
	return config.Service{Name: name, Addresses: addresses, Drain: 10 * time.Second}
}

func TestScaleOutAndIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1, 5))
		wantError(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(2 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2", "shop-3", "shop-4"})
		sim.takeEvents()
		wantError(t, r.Scale(t.Context(), "shop", 2), nil)
		synctest.Wait()
		wantStrings(t, "alive after the youngest ended", sim.alive(), []string{"shop-1", "shop-2"})
		if st := r.Services()[0]; st.Wanted != 2 || st.Running != 2 || st.Ready != 2 || st.Restarts != 0 {
			t.Errorf("status is %+v", st)
		}
		wantError(t, r.Scale(t.Context(), "shop", 3), nil)
		synctest.Wait()
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2", "shop-5"})
		r.stop(t, sim)
	})
}

func TestScaleInEndsTheLeastLoadedNodeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1, 4))
		wantError(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(2 * time.Second)
		sim.inFlight = map[string]int{"shop-1": 0, "shop-2": 3, "shop-3": 0, "shop-4": 1}
		for _, want := range [][]string{{"shop-1", "shop-2", "shop-4"}, {"shop-2", "shop-4"}, {"shop-2"}} {
			wantError(t, r.Scale(t.Context(), "shop", len(want)), nil)
			synctest.Wait()
			wantStrings(t, "alive", sim.alive(), want)
		}
		r.stop(t, sim)
	})
}

func TestScaleInEndsASlotWithoutANodeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.life = func(id string) time.Duration {
			if id == "shop-1" || id == "shop-2" {
				return 0
			}
			return time.Millisecond
		}
		r := start(t, sim, shop(2, 3))
		wantError(t, r.Scale(t.Context(), "shop", 3), nil)
		time.Sleep(time.Hour)
		wantError(t, r.Scale(t.Context(), "shop", 2), nil)
		synctest.Wait()
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2"})
		if st := r.Services()[0]; st.CrashLoop {
			t.Error("the status has a crash loop, but the slot that failed is gone")
		}
		r.stop(t, sim)
	})
}

// An autoscaler may scale during a crash loop. The status tells it.
func TestScaleDuringACrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1, 3))
		sim.life = func(string) time.Duration { return 10 * time.Millisecond }
		sim.crash("shop-1")
		time.Sleep(time.Minute)
		wantError(t, r.Scale(t.Context(), "shop", 3), nil)
		synctest.Wait()
		if st := r.Services()[0]; !st.CrashLoop || st.Wanted != 3 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}

func TestChangedReportsEachChangeOfTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1, 3))
		for name, change := range map[string]func(){
			"scale":   func() { wantError(t, r.Scale(t.Context(), "shop", 2), nil) },
			"crash":   func() { sim.crash(sim.alive()[0]) },
			"restart": func() { wantError(t, r.Restart(t.Context(), "shop"), nil) },
		} {
			time.Sleep(time.Minute)
			changed := r.Changed()
			change()
			select {
			case <-changed:
			case <-time.After(time.Minute):
				t.Errorf("%s: no change was reported", name)
			}
		}
		r.stop(t, sim)
	})
}

func TestScaleRefusesASizeOutOfRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		f := newFleet(t, sim, fleet.Options{}, shop(2, 4), static("db", "10.0.0.1:5432"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, f.Scale(t.Context(), "shop", 1), fleet.ErrSize)
		wantError(t, f.Scale(t.Context(), "shop", 5), fleet.ErrSize)
		wantError(t, f.Scale(t.Context(), "shop", -1), fleet.ErrSize)
		wantError(t, f.Scale(t.Context(), "what", 1), fleet.ErrUnknownService)
		wantError(t, f.Scale(t.Context(), "db", 1), fleet.ErrStatic)
		wantError(t, f.Scale(ctx, "shop", 3), context.Canceled)
		want := `scale service "shop" to 5: size outside of its range: 2..4`
		if got := f.Scale(t.Context(), "shop", 5).Error(); got != want {
			t.Errorf("error is %q, want %q", got, want)
		}
		wantError(t, f.Scale(t.Context(), "shop", 4), nil) // before Run
		r := startFleet(t, f)
		if n := len(sim.alive()); n != 4 {
			t.Errorf("%d nodes, want the 4 that Scale set before Run", n)
		}
		r.stop(t, sim)
	})
}

func TestRestartStartsEachNewNodeBeforeTheOldOneStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, sim, shop(3))
		sim.takeEvents()
		sim.peak = 0
		wantError(t, r.Restart(t.Context(), "shop"), nil)
		wantStrings(t, "events", sim.takeEvents(), []string{
			"start shop-4", "ready shop-4", "drain shop-1", "stop shop-1", "end shop-1",
			"start shop-5", "ready shop-5", "drain shop-2", "stop shop-2", "end shop-2",
			"start shop-6", "ready shop-6", "drain shop-3", "stop shop-3", "end shop-3",
		})
		if sim.peak != 4 {
			t.Errorf("%d nodes at one time, want 4", sim.peak)
		}
		if st := r.Services()[0]; st.Operation != "" || st.Restarts != 0 || st.Ready != 3 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}

func TestDrainingNodeStaysInTheSetUntilItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, sim, shop(1))
		go r.Restart(t.Context(), "shop")
		time.Sleep(1500 * time.Millisecond)
		if got, want := nodes(r.sets(t)["shop"]), "shop-1 draining, shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if st := r.Services()[0]; st.Operation != "restart" || st.Draining != 1 || st.Running != 2 {
			t.Errorf("status is %+v", st)
		}
		time.Sleep(2 * time.Second)
		if got, want := nodes(r.sets(t)["shop"]), "shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		r.stop(t, sim)
	})
}

func TestRestartStopsAtTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.life = func(id string) time.Duration {
			if id == "shop-5" {
				return time.Millisecond
			}
			return 0
		}
		r := start(t, sim, shop(3))
		err := r.Restart(t.Context(), "shop")
		want := "restart service \"shop\": 1 of 3 nodes replaced: new node \"shop-5\": exit status 1; it wrote last:\n  last output of shop-5"
		if err == nil || err.Error() != want {
			t.Errorf("error is %v, want %q", err, want)
		}
		time.Sleep(time.Minute)
		wantStrings(t, "alive", sim.alive(), []string{"shop-2", "shop-3", "shop-4"})
		if st := r.Services()[0]; st.Operation != "" || st.CrashLoop || st.Wanted != 3 {
			t.Errorf("status is %+v", st)
		}
		wantError(t, r.Restart(t.Context(), "shop"), nil)
		r.stop(t, sim)
	})
}

func TestRestartKeepsTheOldNodesWhenTheNewOneIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(2))
		sim.ready = func(string) time.Duration { return -1 }
		if err := r.Restart(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "not ready in time") {
			t.Errorf("error is %v", err)
		}
		time.Sleep(time.Minute)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2"})
		r.stop(t, sim)
	})
}

func TestRestartErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		f := newFleet(t, sim, fleet.Options{}, shop(2), static("db", "10.0.0.1:5432"))
		wantError(t, f.Restart(t.Context(), "shop"), fleet.ErrNotRunning)
		r := startFleet(t, f)
		wantError(t, r.Restart(t.Context(), "db"), fleet.ErrStatic)
		wantError(t, r.Restart(t.Context(), "what"), fleet.ErrUnknownService)
		first := make(chan error)
		go func() { first <- r.Restart(t.Context(), "shop") }()
		synctest.Wait()
		wantError(t, r.Restart(t.Context(), "shop"), fleet.ErrBusy)
		wantError(t, <-first, nil)
		r.stop(t, sim)
	})
}

func TestRestartEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(3))
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // while the second node is replaced
		defer cancel()
		wantError(t, r.Restart(ctx, "shop"), context.DeadlineExceeded)
		time.Sleep(time.Minute)
		wantStrings(t, "alive", sim.alive(), []string{"shop-2", "shop-3", "shop-4"})
		r.stop(t, sim)
	})
}

func TestRestartEndsWithTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(3))
		ended := make(chan error)
		go func() { ended <- r.Restart(t.Context(), "shop") }()
		time.Sleep(500 * time.Millisecond)
		r.stop(t, sim)
		if err := <-ended; err == nil {
			t.Error("the restart was interrupted, but returned no error")
		}
	})
}

func TestScaleDuringARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 3 * time.Second }
		r := start(t, sim, shop(1, 5))
		wantError(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(2 * time.Second)
		ended := make(chan error)
		go func() { ended <- r.Restart(t.Context(), "shop") }()
		time.Sleep(time.Second / 2)
		wantError(t, r.Scale(t.Context(), "shop", 1), nil) // the slot that is being replaced stays, and its replacement, too
		wantError(t, <-ended, nil)
		time.Sleep(10 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"shop-5"})
		r.stop(t, sim)
	})
}

func TestDrainStartsANewNodeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(2))
		sim.takeEvents()
		wantError(t, r.Drain(t.Context(), "shop-1", false), nil)
		wantStrings(t, "events", sim.takeEvents(),
			[]string{"start shop-3", "ready shop-3", "drain shop-1", "stop shop-1", "end shop-1"})
		wantError(t, r.Drain(t.Context(), "shop-1", false), fleet.ErrUnknownNode)
		wantError(t, r.Drain(t.Context(), "what", false), fleet.ErrUnknownNode)
		r.stop(t, sim)
	})
}

func TestDrainOfADrainingNodeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 5 * time.Second }
		r := start(t, sim, shop(1, 2))
		wantError(t, r.Scale(t.Context(), "shop", 2), nil)
		time.Sleep(2 * time.Second)
		wantError(t, r.Scale(t.Context(), "shop", 1), nil)
		synctest.Wait()
		sim.takeEvents()
		begun := time.Now()
		wantError(t, r.Drain(t.Context(), "shop-2", false), nil)
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("Drain took %v", took)
		}
		wantStrings(t, "events", sim.takeEvents(), []string{"stop shop-2", "end shop-2"})

		first := make(chan error)
		go func() { first <- r.Drain(t.Context(), "shop-1", false) }()
		synctest.Wait()
		wantError(t, r.Drain(t.Context(), "shop-1", false), fleet.ErrBusy)
		wantError(t, <-first, nil)
		r.stop(t, sim)
	})
}

func TestDrainWithoutAReplacementChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1))
		sim.ready = func(string) time.Duration { return -1 }
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		wantError(t, r.Drain(ctx, "shop-1", false), context.DeadlineExceeded)
		synctest.Wait()
		wantStrings(t, "alive", sim.alive(), []string{"shop-1"})
		sim.ready = nil
		wantError(t, r.Drain(t.Context(), "shop-1", false), nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-3"})
		r.stop(t, sim)
	})
}

func TestDrainContinuesAfterItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 5 * time.Second }
		r := start(t, sim, shop(1))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		wantError(t, r.Drain(ctx, "shop-1", false), context.DeadlineExceeded)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2"})
		time.Sleep(3*time.Second + time.Millisecond)
		wantStrings(t, "alive", sim.alive(), []string{"shop-2"})
		r.stop(t, sim)
	})
}

func TestListedNodesArePublishedAndDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 2 * time.Second }
		db := static("db", "10.0.0.1:80", "10.0.0.2:80")
		db.Weights = []int{1, 4}
		r := start(t, sim, db)
		set := r.sets(t)["db"]
		if set.Nodes[0].Weight != 1 || set.Nodes[1].Weight != 4 {
			t.Errorf("weights are %d and %d, want 1 and 4", set.Nodes[0].Weight, set.Nodes[1].Weight)
		}
		if got, want := nodes(set), "db-1 starting, db-2 starting"; got != want || set.Nodes[1].Address != "10.0.0.2:80" {
			t.Errorf("set is %q %v, want %q", got, set, want)
		}
		wantError(t, r.Drain(t.Context(), "db-2", false), nil)
		if got, want := nodes(r.sets(t)["db"]), "db-1 starting, db-2 draining"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if n := r.Nodes("db"); len(n) != 2 || n[0].ID != "db-1" || r.Nodes("what") != nil {
			t.Errorf("nodes are %v", n)
		}
		if st := r.Services()[0]; st.Kind != config.Listed || st.Wanted != 2 || st.Running != 2 || st.Draining != 1 {
			t.Errorf("status is %+v", st)
		}
		wantStrings(t, "events", sim.takeEvents("start", "drain", "stop", "end"), []string{"drain db-2"})
		r.stop(t, sim)
		if len(sim.specs) > 0 {
			t.Errorf("the driver started %v", sim.specs)
		}
	})
}

func TestWatchSendsTheNewestSetAndNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		f := newFleet(t, sim, fleet.Options{}, shop(1, 50), static("db", "10.0.0.1:80"))
		ctx, cancel := context.WithCancel(t.Context())
		quick, slow := f.Watch(ctx), f.Watch(ctx)
		if a, b := <-quick, <-quick; nodes(a) != "" || nodes(b) != "db-1 starting" {
			t.Errorf("first sets are %v, %v", a, b)
		}
		seen := 0
		var reader sync.WaitGroup
		reader.Go(func() {
			for range quick {
				seen++
			}
		})
		r := startFleet(t, f)
		for n := 2; n <= 50; n++ {
			wantError(t, r.Scale(t.Context(), "shop", n), nil)
			time.Sleep(2 * time.Second)
		}
		got := map[string]int{}
		for range 2 {
			set := <-slow
			got[set.Service] = len(set.Nodes)
		}
		if got["shop"] != 50 || got["db"] != 1 {
			t.Errorf("the slow reader sees %v", got)
		}
		select {
		case set := <-slow:
			t.Errorf("the slow reader gets another set: %v", set)
		default:
		}
		cancel()
		reader.Wait()
		if seen != 50 {
			t.Errorf("the quick reader saw %d changes, want 50", seen)
		}
		if _, open := <-slow; open {
			t.Error("the channel is open after the end of its context")
		}
		r.stop(t, sim)
	})
}

// After random operations and crashes, the fleet reaches its wanted size.
func TestFleetReachesItsWantedSizeAfterRandomOperations(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				var mu sync.Mutex
				chance := func(n int64) time.Duration {
					mu.Lock()
					defer mu.Unlock()
					return time.Duration(r.Int64N(n)) * time.Millisecond
				}
				sim := newSimulation()
				sim.ready = func(string) time.Duration { return chance(3000) }
				sim.drain = func(string) time.Duration { return chance(3000) }
				sim.ending = func(string) time.Duration { return chance(3000) }
				var calm atomic.Bool
				sim.life = func(string) time.Duration {
					if life := chance(20_000); !calm.Load() && life < 10*time.Second {
						return life + time.Millisecond
					}
					return 0
				}
				f := startFleet(t, newFleet(t, sim, fleet.Options{}, shop(1, 6)))
				var calls sync.WaitGroup
				wanted := 1
				for range 60 {
					time.Sleep(chance(1500))
					switch chance(4) {
					case 0:
						wanted = 1 + int(chance(6)/time.Millisecond)
						wantError(t, f.Scale(t.Context(), "shop", wanted), nil)
					case 1 * time.Millisecond:
						calls.Go(func() { f.Restart(t.Context(), "shop") })
					case 2 * time.Millisecond:
						if alive := sim.alive(); len(alive) > 0 {
							calls.Go(func() { f.Drain(t.Context(), alive[0], false) })
						}
					case 3 * time.Millisecond:
						if alive := sim.alive(); len(alive) > 0 {
							sim.crash(alive[0])
						}
					}
				}
				calm.Store(true)
				calls.Wait()
				time.Sleep(2 * time.Minute)
				st := f.Services()[0]
				if len(sim.alive()) != wanted || st.Ready != wanted || st.Running != wanted || st.Operation != "" || st.CrashLoop {
					t.Errorf("want %d nodes, alive are %v, status %+v", wanted, sim.alive(), st)
				}
				var ids []string
				for _, s := range sim.specs {
					ids = append(ids, s.ID)
				}
				slices.Sort(ids)
				if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
					t.Errorf("%d ids for %d nodes", n, len(ids))
				}
				f.stop(t, sim)
			})
		})
	}
}
