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
		w := newWorld()
		r := start(t, w, shop(1, 5))
		is(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(2 * time.Second)
		equal(t, "alive", w.alive(), []string{"shop-1", "shop-2", "shop-3", "shop-4"})
		w.happened()
		is(t, r.Scale(t.Context(), "shop", 2), nil)
		synctest.Wait()
		equal(t, "alive, the youngest went", w.alive(), []string{"shop-1", "shop-2"})
		if st := r.Services()[0]; st.Wanted != 2 || st.Running != 2 || st.Ready != 2 || st.Restarts != 0 {
			t.Errorf("status is %+v", st)
		}
		is(t, r.Scale(t.Context(), "shop", 3), nil)
		synctest.Wait()
		equal(t, "alive", w.alive(), []string{"shop-1", "shop-2", "shop-5"})
		r.stop(t, w)
	})
}

func TestTheLeastLoadedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(1, 4))
		is(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(2 * time.Second)
		w.inFlight = map[string]int{"shop-1": 0, "shop-2": 3, "shop-3": 0, "shop-4": 1}
		for _, want := range [][]string{{"shop-1", "shop-2", "shop-4"}, {"shop-2", "shop-4"}, {"shop-2"}} {
			is(t, r.Scale(t.Context(), "shop", len(want)), nil)
			synctest.Wait()
			equal(t, "alive", w.alive(), want)
		}
		r.stop(t, w)
	})
}

func TestAPlaceWithoutANodeGoesBeforeOneWithANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.life = func(id string) time.Duration {
			if id == "shop-1" || id == "shop-2" {
				return 0
			}
			return time.Millisecond
		}
		r := start(t, w, shop(2, 3))
		is(t, r.Scale(t.Context(), "shop", 3), nil)
		time.Sleep(time.Hour)
		is(t, r.Scale(t.Context(), "shop", 2), nil)
		synctest.Wait()
		equal(t, "alive", w.alive(), []string{"shop-1", "shop-2"})
		if st := r.Services()[0]; st.CrashLoop {
			t.Error("it is called a crash loop, and the place that failed is gone")
		}
		r.stop(t, w)
	})
}

func TestScaleHasLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		f := newFleet(t, w, fleet.Options{}, shop(2, 4), static("db", "10.0.0.1:5432"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		is(t, f.Scale(t.Context(), "shop", 1), fleet.ErrSize)
		is(t, f.Scale(t.Context(), "shop", 5), fleet.ErrSize)
		is(t, f.Scale(t.Context(), "shop", -1), fleet.ErrSize)
		is(t, f.Scale(t.Context(), "what", 1), fleet.ErrUnknownService)
		is(t, f.Scale(t.Context(), "db", 1), fleet.ErrStatic)
		is(t, f.Scale(ctx, "shop", 3), context.Canceled)
		want := `scale service "shop" to 5: out of its limits: 2..4`
		if got := f.Scale(t.Context(), "shop", 5).Error(); got != want {
			t.Errorf("error is %q, want %q", got, want)
		}
		is(t, f.Scale(t.Context(), "shop", 4), nil) // before Run
		r := begin(t, f)
		if n := len(w.alive()); n != 4 {
			t.Errorf("%d nodes, want the 4 that were asked for before the start", n)
		}
		r.stop(t, w)
	})
}

func TestRestartIsOneByOneNewBeforeOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, w, shop(3))
		w.happened()
		w.most = 0
		is(t, r.Restart(t.Context(), "shop"), nil)
		equal(t, "events", w.happened(), []string{
			"start shop-4", "ready shop-4", "drain shop-1", "stop shop-1", "end shop-1",
			"start shop-5", "ready shop-5", "drain shop-2", "stop shop-2", "end shop-2",
			"start shop-6", "ready shop-6", "drain shop-3", "stop shop-3", "end shop-3",
		})
		if w.most != 4 {
			t.Errorf("%d nodes at one time, want 4", w.most)
		}
		if st := r.Services()[0]; st.Restarting || st.Restarts != 0 || st.Ready != 3 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, w)
	})
}

func TestADrainingNodeStaysInTheSetUntilItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 2 * time.Second }
		r := start(t, w, shop(1))
		go r.Restart(t.Context(), "shop")
		time.Sleep(1500 * time.Millisecond)
		if got, want := nodes(r.sets(t)["shop"]), "shop-1 draining, shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if st := r.Services()[0]; !st.Restarting || st.Draining != 1 || st.Running != 2 {
			t.Errorf("status is %+v", st)
		}
		time.Sleep(2 * time.Second)
		if got, want := nodes(r.sets(t)["shop"]), "shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		r.stop(t, w)
	})
}

func TestRestartStopsAtTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.life = func(id string) time.Duration {
			if id == "shop-5" {
				return time.Millisecond
			}
			return 0
		}
		r := start(t, w, shop(3))
		err := r.Restart(t.Context(), "shop")
		want := `restart service "shop": 1 of 3 nodes replaced: new node: exit status 1`
		if err == nil || err.Error() != want {
			t.Errorf("error is %v, want %q", err, want)
		}
		time.Sleep(time.Minute)
		equal(t, "alive", w.alive(), []string{"shop-2", "shop-3", "shop-4"})
		if st := r.Services()[0]; st.Restarting || st.CrashLoop || st.Wanted != 3 {
			t.Errorf("status is %+v", st)
		}
		is(t, r.Restart(t.Context(), "shop"), nil)
		r.stop(t, w)
	})
}

func TestRestartOfANodeThatIsNeverReadyLeavesTheOldOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(2))
		w.ready = func(string) time.Duration { return -1 }
		if err := r.Restart(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "not ready in time") {
			t.Errorf("error is %v", err)
		}
		time.Sleep(time.Minute)
		equal(t, "alive", w.alive(), []string{"shop-1", "shop-2"})
		r.stop(t, w)
	})
}

func TestRestartIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		f := newFleet(t, w, fleet.Options{}, shop(2), static("db", "10.0.0.1:5432"))
		is(t, f.Restart(t.Context(), "shop"), fleet.ErrNotRunning)
		r := begin(t, f)
		is(t, r.Restart(t.Context(), "db"), fleet.ErrStatic)
		is(t, r.Restart(t.Context(), "what"), fleet.ErrUnknownService)
		first := make(chan error)
		go func() { first <- r.Restart(t.Context(), "shop") }()
		synctest.Wait()
		is(t, r.Restart(t.Context(), "shop"), fleet.ErrBusy)
		is(t, <-first, nil)
		r.stop(t, w)
	})
}

func TestRestartEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(3))
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // in the middle of the second node
		defer cancel()
		is(t, r.Restart(ctx, "shop"), context.DeadlineExceeded)
		time.Sleep(time.Minute)
		equal(t, "alive", w.alive(), []string{"shop-2", "shop-3", "shop-4"})
		r.stop(t, w)
	})
}

func TestRestartEndsWithTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(3))
		ended := make(chan error)
		go func() { ended <- r.Restart(t.Context(), "shop") }()
		time.Sleep(500 * time.Millisecond)
		r.stop(t, w)
		if err := <-ended; err == nil {
			t.Error("the restart was cut off and calls itself done")
		}
	})
}

func TestScaleDuringARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 3 * time.Second }
		r := start(t, w, shop(1, 5))
		is(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(2 * time.Second)
		ended := make(chan error)
		go func() { ended <- r.Restart(t.Context(), "shop") }()
		time.Sleep(time.Second / 2)
		is(t, r.Scale(t.Context(), "shop", 1), nil) // the one that is being replaced stays, and its new one too
		is(t, <-ended, nil)
		time.Sleep(10 * time.Second)
		equal(t, "alive", w.alive(), []string{"shop-5"})
		r.stop(t, w)
	})
}

func TestDrainPutsANewNodeInPlaceFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(2))
		w.happened()
		is(t, r.Drain(t.Context(), "shop-1"), nil)
		equal(t, "events", w.happened(),
			[]string{"start shop-3", "ready shop-3", "drain shop-1", "stop shop-1", "end shop-1"})
		is(t, r.Drain(t.Context(), "shop-1"), fleet.ErrUnknownNode)
		is(t, r.Drain(t.Context(), "what"), fleet.ErrUnknownNode)
		r.stop(t, w)
	})
}

func TestDrainOfANodeThatDrainsWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 5 * time.Second }
		r := start(t, w, shop(1, 2))
		is(t, r.Scale(t.Context(), "shop", 2), nil)
		time.Sleep(2 * time.Second)
		is(t, r.Scale(t.Context(), "shop", 1), nil)
		synctest.Wait()
		w.happened()
		begun := time.Now()
		is(t, r.Drain(t.Context(), "shop-2"), nil)
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		equal(t, "events", w.happened(), []string{"stop shop-2", "end shop-2"})

		first := make(chan error)
		go func() { first <- r.Drain(t.Context(), "shop-1") }()
		synctest.Wait()
		is(t, r.Drain(t.Context(), "shop-1"), fleet.ErrBusy)
		is(t, <-first, nil)
		r.stop(t, w)
	})
}

func TestDrainThatCannotBeReplacedChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(1))
		w.ready = func(string) time.Duration { return -1 }
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		is(t, r.Drain(ctx, "shop-1"), context.DeadlineExceeded)
		synctest.Wait()
		equal(t, "alive", w.alive(), []string{"shop-1"})
		w.ready = nil
		is(t, r.Drain(t.Context(), "shop-1"), nil)
		equal(t, "alive", w.alive(), []string{"shop-3"})
		r.stop(t, w)
	})
}

func TestDrainGoesOnWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 5 * time.Second }
		r := start(t, w, shop(1))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		is(t, r.Drain(ctx, "shop-1"), context.DeadlineExceeded)
		equal(t, "alive", w.alive(), []string{"shop-1", "shop-2"})
		time.Sleep(3*time.Second + time.Millisecond)
		equal(t, "alive", w.alive(), []string{"shop-2"})
		r.stop(t, w)
	})
}

func TestStaticNodesAreShownAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 2 * time.Second }
		db := static("db", "10.0.0.1:80", "10.0.0.2:80")
		db.Weights = []int{1, 4}
		r := start(t, w, db)
		set := r.sets(t)["db"]
		if set.Nodes[0].Weight != 1 || set.Nodes[1].Weight != 4 {
			t.Errorf("weights are %d and %d, want 1 and 4", set.Nodes[0].Weight, set.Nodes[1].Weight)
		}
		if got, want := nodes(set), "db-1 starting, db-2 starting"; got != want || set.Nodes[1].Address != "10.0.0.2:80" {
			t.Errorf("set is %q %v, want %q", got, set, want)
		}
		is(t, r.Drain(t.Context(), "db-2"), nil)
		if got, want := nodes(r.sets(t)["db"]), "db-1 starting, db-2 draining"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if n := r.Nodes("db"); len(n) != 2 || n[0].ID != "db-1" || r.Nodes("what") != nil {
			t.Errorf("nodes are %v", n)
		}
		if st := r.Services()[0]; !st.Static || st.Wanted != 2 || st.Running != 2 || st.Draining != 1 {
			t.Errorf("status is %+v", st)
		}
		equal(t, "events", w.happened("start", "drain", "stop", "end"), []string{"drain db-2"})
		r.stop(t, w)
		if len(w.specs) > 0 {
			t.Errorf("started were %v", w.specs)
		}
	})
}

func TestWatchShowsTheNewestAndNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		f := newFleet(t, w, fleet.Options{}, shop(1, 50), static("db", "10.0.0.1:80"))
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
		r := begin(t, f)
		for n := 2; n <= 50; n++ {
			is(t, r.Scale(t.Context(), "shop", n), nil)
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
			t.Errorf("and then again %v", set)
		default:
		}
		cancel()
		reader.Wait()
		if seen != 50 {
			t.Errorf("the quick reader saw %d changes, want 50", seen)
		}
		if _, open := <-slow; open {
			t.Error("open after the end of its context")
		}
		r.stop(t, w)
	})
}

// Whatever is done to a fleet, it comes to rest at its wanted size.
func TestAFleetComesToRest(t *testing.T) {
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
				w := newWorld()
				w.ready = func(string) time.Duration { return chance(3000) }
				w.drain = func(string) time.Duration { return chance(3000) }
				w.ending = func(string) time.Duration { return chance(3000) }
				var calm atomic.Bool
				w.life = func(string) time.Duration {
					if life := chance(20_000); !calm.Load() && life < 10*time.Second {
						return life + time.Millisecond
					}
					return 0
				}
				f := begin(t, newFleet(t, w, fleet.Options{}, shop(1, 6)))
				var calls sync.WaitGroup
				wanted := 1
				for range 60 {
					time.Sleep(chance(1500))
					switch chance(4) {
					case 0:
						wanted = 1 + int(chance(6)/time.Millisecond)
						is(t, f.Scale(t.Context(), "shop", wanted), nil)
					case 1 * time.Millisecond:
						calls.Go(func() { f.Restart(t.Context(), "shop") })
					case 2 * time.Millisecond:
						if alive := w.alive(); len(alive) > 0 {
							calls.Go(func() { f.Drain(t.Context(), alive[0]) })
						}
					case 3 * time.Millisecond:
						if alive := w.alive(); len(alive) > 0 {
							w.crash(alive[0])
						}
					}
				}
				calm.Store(true)
				calls.Wait()
				time.Sleep(2 * time.Minute)
				st := f.Services()[0]
				if len(w.alive()) != wanted || st.Ready != wanted || st.Running != wanted || st.Restarting || st.CrashLoop {
					t.Errorf("wanted are %d, alive %v, status %+v", wanted, w.alive(), st)
				}
				var ids []string
				for _, s := range w.specs {
					ids = append(ids, s.ID)
				}
				slices.Sort(ids)
				if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
					t.Errorf("%d ids for %d nodes", n, len(ids))
				}
				f.stop(t, w)
			})
		})
	}
}
