package fleet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

// commands makes the before commands of a simulation end after a time with a reason.
func (sim *simulation) commands(after time.Duration, reason func(id string) string) {
	sim.life = func(id string) time.Duration {
		if isCommand(id) {
			return after
		}
		return 0
	}
	sim.reason = func(id string) string {
		if isCommand(id) {
			return reason(id)
		}
		return "exit status 1"
	}
}

func isCommand(id string) bool { return strings.Contains(id, "-before.") }

func exitZero(string) string { return "exit status 0" }

func withBefore(s config.Service) config.Service {
	s.Before, s.Dir, s.Env = []string{"shop", "migrate"}, "/srv", map[string]string{"A": "1"}
	return s
}

func TestACommandThatDoesNotEndIsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(150*time.Second, exitZero)
		r := startFleet(t, newFleet(t, sim, fleet.Options{}, withBefore(shop(1))))
		wantError(t, r.AwaitReady(t.Context(), "shop"), nil)
		if n := sim.logCount("before command still runs"); n != 2 {
			t.Errorf("the log names the command %d times in 150 s, want 2", n)
		}
		sim.wantLog(t, `before command still runs.* pid=4711 after_ms=60000`)
		r.stop(t, sim)
	})
}

func TestBeforeRunsOnceBeforeTheFirstNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(10*time.Second, exitZero)
		r := startFleet(t, newFleet(t, sim, fleet.Options{Env: func() []string { return []string{"REDIS_URL=x"} }}, withBefore(shop(3))))
		wantStrings(t, "alive", sim.alive(), []string{"shop-before.1"})
		if st := r.Services()[0]; st.WaitsFor != "its before command" {
			t.Errorf("status is %+v", st)
		}
		wantError(t, r.Restart(t.Context(), "shop"), fleet.ErrNotRunning)
		wantError(t, r.AwaitReady(t.Context(), "shop"), nil)
		wantStrings(t, "alive", sim.alive(), []string{"shop-1", "shop-2", "shop-3"})
		spec := sim.specs[0]
		wantStrings(t, "environment", spec.Env, []string{"REDIS_URL=x", "A=1", "TENFOLD_SERVICE=shop", "TENFOLD_NODE=shop-before.1", "TENFOLD_FENCE=0"})
		if spec.Serves || spec.Dir != "/srv" || !slices.Equal(spec.Run, []string{"shop", "migrate"}) {
			t.Errorf("the command ran as %+v", spec)
		}
		sim.crash("shop-2")
		wantError(t, r.Restart(t.Context(), "shop"), nil)
		if n := sim.commandCount(); n != 1 {
			t.Errorf("the command ran %d times after a crash and a restart, want 1", n)
		}
		if st := r.Services()[0]; st.WaitsFor != "" {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}

// commandCount counts the before commands that were started.
func (sim *simulation) commandCount() (count int) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	for _, s := range sim.specs {
		if isCommand(s.ID) {
			count++
		}
	}
	return count
}

func TestBeforeRunsOncePerDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Second, exitZero)
		r := start(t, sim, withBefore(release("v1", 3)))
		time.Sleep(5 * time.Second)
		for i, do := range []func() error{
			func() error { return r.Deploy(t.Context(), owned(sim, withBefore(release("v2", 3)))) },
			func() error { return r.Deploy(t.Context(), owned(sim, withBefore(release("v2", 3)))) },
			func() error { return r.Update(t.Context(), owned(sim, withBefore(release("v3", 3)))) },
			func() error { return r.DeployShare(t.Context(), owned(sim, withBefore(release("v4", 3))), 0.3) },
		} {
			wantError(t, do(), nil)
			if n := sim.commandCount(); n != i+2 {
				t.Errorf("after change %d the command ran %d times, want %d", i+1, n, i+2)
			}
		}
		wantError(t, r.Promote(t.Context(), "shop"), nil)
		wantError(t, r.Rollback(t.Context(), "shop"), nil)
		wantError(t, r.Update(t.Context(), owned(sim, withBefore(release("v3", 4)))), nil) // bounds
		if n := sim.commandCount(); n != 5 {
			t.Errorf("after a promotion, a rollback and a change of bounds the command ran %d times, want 5", n)
		}
		r.stop(t, sim)
	})
}

func TestBeforeThatFailsHoldsADeployBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Second, exitZero)
		r := start(t, sim, withBefore(release("v1", 2)))
		time.Sleep(5 * time.Second)
		sim.commands(time.Second, func(string) string { return "exit status 3" })
		sim.takeEvents()
		deploy := owned(sim, withBefore(release("v2", 2)))
		for name, err := range map[string]error{
			"deploy": r.Deploy(t.Context(), deploy), "update": r.Update(t.Context(), deploy),
			"share": r.DeployShare(t.Context(), deploy, 0.5),
		} {
			failed := (*fleet.CommandError)(nil)
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), "before: shop migrate: exit status 3; it wrote last:\n  last output of shop-before.") {
				t.Errorf("%s: error is %v", name, err)
			}
		}
		if events := sim.takeEvents("ready", "drain"); len(events) > 0 {
			t.Errorf("nodes changed: %v", events)
		}
		r.wantVersion(t, 1, 0, false)
		if st := r.Services()[0]; st.Canary.Version != 0 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}

// The command fails at the start. A deploy with one that works lets the nodes start.
func TestBeforeIsTriedAgainAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Second, func(string) string { return "exit status 3" })
		r := start(t, sim, withBefore(release("v1", 2)), static("db", "10.0.0.1:1"))
		time.Sleep(10 * time.Minute)
		if n := sim.commandCount(); n < 20 || n > 100 {
			t.Errorf("the command ran %d times in ten minutes", n)
		}
		failed := (*fleet.CommandError)(nil)
		if err := r.Deploy(t.Context(), owned(sim, withBefore(release("v2", 2)))); !errors.As(err, &failed) {
			t.Errorf("a deploy whose command fails returned %v", err)
		}
		sim.commands(time.Second, exitZero)
		wantError(t, r.Deploy(t.Context(), owned(sim, withBefore(release("v3", 2)))), nil)
		if got, want := sim.versions(), "v3 v3"; got != want {
			t.Errorf("nodes run %q, want %q", got, want)
		}
		r.stop(t, sim)
	})
}

func TestBeforeThatNeverSucceedsEndsAFleetWithoutAnotherService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Second, func(string) string { return "exit status 3" })
		waiting := with(shop(1), func(s *config.Service) { s.Name, s.After = "mail", []string{"shop"} })
		err := newFleet(t, sim, fleet.Options{}, withBefore(shop(2)), waiting).Run(t.Context())
		want := `start service "shop": its before command failed 3 times: before: shop migrate: exit status 3; it wrote last:` + "\n  last output of shop-before.3"
		if err == nil || err.Error() != want {
			t.Errorf("Run returned %v, want %s", err, want)
		}
	})
}

// Another tenfold ran the command: Once does not call Run.
func TestBeforeThatAnotherFleetRanIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Second, exitZero)
		var tasks []fleet.Task
		once := func(_ context.Context, task fleet.Task) error { tasks = append(tasks, task); return nil }
		r := startFleet(t, newFleet(t, sim, fleet.Options{Once: once}, withBefore(release("v1", 1))))
		wantError(t, r.Deploy(t.Context(), owned(sim, withBefore(release("v2", 1)))), nil)
		wantError(t, r.Deploy(t.Context(), owned(sim, withBefore(release("v2", 1)))), nil)
		if sim.commandCount() != 0 || len(tasks) != 3 || tasks[0].Version == tasks[1].Version ||
			tasks[1].Version != tasks[2].Version || tasks[0].Again || tasks[1].Again || !tasks[2].Again || tasks[0].Service != "shop" {
			t.Errorf("%d commands, tasks %+v", sim.commandCount(), tasks)
		}
		r.stop(t, sim)
	})
}

// The end of the fleet, or the loss of the right to run, stops the command.
func TestBeforeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.commands(time.Hour, exitZero)
		lost := errors.New("lost")
		var cancel context.CancelCauseFunc
		once := func(ctx context.Context, task fleet.Task) error {
			ctx, cancel = context.WithCancelCause(ctx)
			return task.Run(ctx, 1)
		}
		r := startFleet(t, newFleet(t, sim, fleet.Options{Once: once}, withBefore(shop(1)), static("db", "10.0.0.1:1")))
		wantStrings(t, "alive", sim.alive(), []string{"shop-before.1"})
		cancel(lost)
		time.Sleep(5 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"shop-before.2"})
		r.stop(t, sim)
	})
}

func TestAfterOrdersTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		var dbReady atomic.Int64
		dbReady.Store(-1)
		sim.ready = func(id string) time.Duration {
			switch {
			case strings.HasPrefix(id, "db-"):
				return time.Duration(dbReady.Load())
			case strings.HasPrefix(id, "cache-"):
				return 5 * time.Second
			}
			return time.Second
		}
		web := with(shop(1), func(s *config.Service) { s.Name, s.After = "web", []string{"shop", "db"} })
		mid := with(shop(2), func(s *config.Service) { s.After = []string{"cache"} })
		cache := with(shop(1), func(s *config.Service) { s.Name = "cache" })
		r := start(t, sim, web, mid, cache, static("db", "10.0.0.1:1"))
		wantStrings(t, "alive", sim.alive(), []string{"cache-1"})
		if st := r.Services()[0]; st.WaitsFor != `service "shop"` {
			t.Errorf("status is %+v", st)
		}
		time.Sleep(4 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"cache-1", "shop-1", "shop-2"})
		time.Sleep(2 * time.Second)
		if st := r.Services()[0]; st.WaitsFor != `service "db"` {
			t.Errorf("status is %+v", st)
		}
		dbReady.Store(int64(time.Second))
		time.Sleep(30 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"cache-1", "shop-1", "shop-2", "web-1"})
		r.stop(t, sim)
	})
}

// The service that another one waits for is removed from the configuration.
func TestAfterAServiceThatIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(id string) time.Duration {
			if strings.HasPrefix(id, "shop-") {
				return -1
			}
			return time.Second
		}
		web := with(shop(1), func(s *config.Service) { s.Name, s.After = "web", []string{"shop"} })
		r := start(t, sim, shop(1), web)
		wantError(t, r.Remove(t.Context(), "shop"), nil)
		time.Sleep(2 * time.Second)
		wantStrings(t, "alive", sim.alive(), []string{"web-1"})
		r.stop(t, sim)
	})
}

func TestRestartPolicies(t *testing.T) {
	for _, test := range []struct {
		policy   config.Restart
		reason   string
		finished bool
	}{
		{config.RestartAlways, "exit status 0", false},
		{config.RestartAlways, "exit status 1", false},
		{config.RestartOnFailure, "exit status 0", true},
		{config.RestartOnFailure, "exit status 1", false},
		{config.RestartOnFailure, "killed by SIGKILL", false},
		{config.RestartNever, "exit status 0", true},
		{config.RestartNever, "exit status 1", true},
		{config.RestartNever, "killed by SIGKILL", true},
	} {
		for _, life := range []time.Duration{100 * time.Millisecond, 10 * time.Second} { // before and after it is ready
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulation()
				var ends atomic.Bool
				ends.Store(true)
				sim.life = func(id string) time.Duration {
					if strings.HasPrefix(id, "job") && ends.Load() {
						return life
					}
					return 0
				}
				sim.reason = func(string) string { return test.reason }
				job := config.Service{Name: "job", Run: []string{"job"}, MinNodes: 2, MaxNodes: 3, Worker: true, Restart: test.policy}
				r := start(t, sim, job, shop(1))
				time.Sleep(time.Minute)
				st := r.Services()[0]
				if test.finished != (st.Finished == 2) || test.finished != (len(sim.startTimes()) == 3) || st.CrashLoop && test.finished {
					t.Errorf("%s, %s after %v: %d starts, status %+v", test.policy, test.reason, life, len(sim.startTimes()), st)
				}
				if !test.finished {
					r.stop(t, sim)
					return
				}
				// A restart runs it again, and so does a node more.
				ends.Store(false)
				wantError(t, r.Restart(t.Context(), "job"), nil)
				wantError(t, r.Scale(t.Context(), "job", 3), nil)
				time.Sleep(2 * time.Second)
				if st := r.Services()[0]; st.Finished != 0 || st.Ready != 3 {
					t.Errorf("%s, %s: after a restart the status is %+v", test.policy, test.reason, st)
				}
				r.stop(t, sim)
			})
		}
	}
}

// A new version of a job that ends at once with the status 0 has done its work: it is not held back.
func TestDeployOfAJobThatEndsAtOnce(t *testing.T) {
	for reason, want := range map[string]bool{"exit status 0": true, "exit status 1": false} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation()
			r := start(t, sim, config.Service{Name: "job", Run: []string{"job"}, MinNodes: 2, MaxNodes: 2, Worker: true, Restart: config.RestartNever})
			sim.life = func(string) time.Duration { return 100 * time.Millisecond }
			sim.reason = func(string) string { return reason }
			next := config.Service{Name: "job", Run: []string{"job", "v2"}, MinNodes: 2, MaxNodes: 2, Worker: true, Restart: config.RestartNever}
			err := r.Deploy(t.Context(), owned(sim, next))
			if want != (err == nil) {
				t.Errorf("%s: deploy returned %v", reason, err)
			}
			if st := r.Services()[0]; want && st.Finished != 2 || !want && st.Ready != 2 {
				t.Errorf("%s: status is %+v", reason, st)
			}
			r.stop(t, sim)
		})
	}
}

func TestStartTimeoutOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1))
		sim.ready = func(string) time.Duration { return -1 }
		begun := time.Now()
		err := r.Deploy(t.Context(), owned(sim, with(shop(1), func(s *config.Service) { s.StartTimeout = 7 * time.Second })))
		if took := time.Since(begun); err == nil || took != 7*time.Second || !strings.Contains(err.Error(), ", within the start_timeout of 7s") {
			t.Errorf("a node that is never ready was given up after %v: %v", took, err)
		}
		r.stop(t, sim)
	})
}

// The nodes of a service in a crash loop work again: the mark goes as soon as all of them are ready.
func TestCrashLoopMarkGoesWhenTheServiceIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		var broken atomic.Bool
		sim.life = func(string) time.Duration {
			if broken.Load() {
				return 10 * time.Millisecond
			}
			return 0
		}
		r := start(t, sim, shop(2))
		broken.Store(true)
		sim.crash("shop-1")
		time.Sleep(5 * time.Minute)
		if st := r.Services()[0]; !st.CrashLoop {
			t.Errorf("status is %+v", st)
		}
		broken.Store(false)
		for range 60 {
			time.Sleep(time.Second)
			if st := r.Services()[0]; st.CrashLoop == (st.Ready == 2) {
				t.Fatalf("status is %+v", st)
			}
		}
		r.stop(t, sim)
	})
}

// A service that is added does not wait indefinitely for one that never gets ready.
func TestAwaitReadyReportsAServiceThatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(id string) time.Duration {
			if strings.HasPrefix(id, "shop-") {
				return -1
			}
			return time.Second
		}
		r := start(t, sim, shop(1))
		web := with(shop(1), func(s *config.Service) { s.Name, s.After, s.StartTimeout = "web", []string{"shop"}, 5*time.Second })
		wantError(t, r.Add(owned(sim, web)), nil)
		begun := time.Now()
		err := r.AwaitReady(t.Context(), "web")
		if want := `start service "web": it waits for service "shop", which is not ready`; err == nil || err.Error() != want || time.Since(begun) != 5*time.Second {
			t.Errorf("after %v: %v, want %s", time.Since(begun), err, want)
		}
		wantError(t, r.Remove(t.Context(), "web"), nil)
		r.stop(t, sim)
	})
}
