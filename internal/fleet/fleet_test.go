package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

func TestRunStartsTheNodesOfEachService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		s := shop(2, 4)
		s.Dir, s.Env = "/srv", map[string]string{"B": "2", "A": "1", "REDIS_URL": "own"}
		mail := config.Service{Name: "mail", Run: []string{"shop", "work"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		r := startFleet(t, newFleet(t, sim, fleet.Options{Env: func() []string { return []string{"REDIS_URL=redis://x"} }}, s, mail))
		wantStrings(t, "alive", sim.alive(), []string{"mail-1", "shop-1", "shop-2"})
		sets := r.sets(t)
		if got, want := nodes(sets["shop"]), "shop-1 starting, shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q: only the probes of the gateway make a node ready", got, want)
		}
		if got, want := nodes(sets["mail"]), "mail-1 ready"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		n := sets["shop"].Nodes[0]
		if n.Address != "shop-1:80" || n.PID != 4711 || n.Service != "shop" || n.Started.IsZero() {
			t.Errorf("node is %+v", n)
		}
		spec := sim.specs[slices.IndexFunc(sim.specs, func(s fleet.Spec) bool { return s.ID == "shop-1" })]
		want := fleet.Spec{ID: "shop-1", Run: s.Run, Dir: "/srv", Serves: true, Env: []string{
			"REDIS_URL=redis://x", "A=1", "B=2", "REDIS_URL=own", "TENFOLD_SERVICE=shop", "TENFOLD_NODE=shop-1"}}
		if fmt.Sprint(spec) != fmt.Sprint(want) {
			t.Errorf("spec is %v, want %v", spec, want)
		}
		r.stop(t, sim)
	})
}

func TestCrashedNodeIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(3))
		for i := range 30 { // one crash every three seconds
			time.Sleep(3 * time.Second)
			begun := time.Now()
			sim.crash(sim.alive()[0])
			synctest.Wait()
			if n := len(sim.alive()); n != 3 {
				t.Fatalf("crash %d: %d nodes at once after it, want 3", i+1, n)
			}
			if last := slices.MaxFunc(sim.startTimes(), time.Time.Compare); last != begun {
				t.Fatalf("crash %d: replaced after %v", i+1, last.Sub(begun))
			}
		}
		st := r.Services()[0]
		if st.Restarts != 30 || st.CrashLoop || st.LastExit.Reason != "killed by SIGKILL" {
			t.Errorf("status is %+v", st)
		}
		ids := map[string]bool{}
		for _, s := range sim.specs {
			if ids[s.ID] {
				t.Errorf("id %s was used twice", s.ID)
			}
			ids[s.ID] = true
		}
		r.stop(t, sim)
	})
}

// A service that worked now fails at every start, for example after a wrong migration of its database.
func TestCrashLoopIsLoggedOnceAndSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		var broken atomic.Bool
		sim.life = func(string) time.Duration {
			if broken.Load() {
				return 10 * time.Millisecond
			}
			return 0
		}
		r := start(t, sim, shop(1))
		broken.Store(true)
		sim.crash("shop-1")
		begun := len(sim.startTimes())
		time.Sleep(10 * time.Minute)
		// On average a pause is half of its ceiling. The ceilings are 100 ms, 200 ms ... 30 s, 30 s ...
		if n := len(sim.startTimes()) - begun; n < 20 || n > 100 {
			t.Errorf("%d starts in ten minutes", n)
		}
		if n := sim.logCount("crash loop"); n != 1 {
			t.Errorf("the crash loop was logged %d times", n)
		}
		st := r.Services()[0]
		if !st.CrashLoop || st.Since.IsZero() || st.LastExit.Reason != "exit status 1" ||
			!strings.HasPrefix(st.LastExit.Output[0], "last output of shop-") || st.LastExit.Node == "" {
			t.Errorf("status is %+v, last exit %+v", st, st.LastExit)
		}
		broken.Store(false)
		time.Sleep(10 * time.Minute)
		if st := r.Services()[0]; st.CrashLoop || !st.Since.IsZero() || st.Ready != 1 {
			t.Errorf("ten minutes after the service works again, the status is %+v", st)
		}
		if n := sim.logCount("service is out of its crash loop"); n != 1 {
			t.Errorf("the end of the crash loop was logged %d times", n)
		}
		r.stop(t, sim)
	})
}

func TestStopDuringACrashLoopIsNoEndOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(2))
		time.Sleep(time.Minute)
		sim.life = func(string) time.Duration { return 10 * time.Millisecond }
		sim.crash("shop-1")
		time.Sleep(time.Minute)
		r.stop(t, sim)
		if begun, ended := sim.logCount("service is in a crash loop"), sim.logCount("out of its crash loop"); begun != 1 || ended != 0 {
			t.Errorf("the begin was logged %d times, the end %d times", begun, ended)
		}
	})
}

func TestCommandThatEndsAtOnceEndsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.life = func(id string) time.Duration {
			if strings.HasPrefix(id, "bad") {
				return 10 * time.Millisecond
			}
			return 0
		}
		bad := shop(3)
		bad.Name, bad.Run = "bad", []string{"bad", "serve", "it's"}
		err := newFleet(t, sim, fleet.Options{}, bad).Run(t.Context())
		var start *fleet.StartError
		if !errors.As(err, &start) {
			t.Fatalf("Run returned %v", err)
		}
		want := `start service "bad": bad serve 'it'\''s' ended 3 times before it was ready: exit status 1`
		if err.Error() != want || start.Service != "bad" || start.Tries != 3 || len(start.Output) != 1 {
			t.Errorf("error is %q %+v, want %q", err, start, want)
		}
		if hint := start.Hint(); !strings.Contains(hint, "last output of bad-") || !strings.Contains(hint, "PORT=") {
			t.Errorf("hint is %q", hint)
		}
		if left := sim.alive(); len(left) > 0 {
			t.Errorf("nodes %v are left", left)
		}
	})
}

// One of two services cannot start: its command ends at once, or does not exist. The other one serves, and the first one
// is tried again with growing pauses until its command works.
func TestServiceThatCannotStartBacksOffWhileOthersServe(t *testing.T) {
	for _, missing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation()
			var broken atomic.Bool
			broken.Store(true)
			isBroken := func(id string) bool { return broken.Load() && strings.HasPrefix(id, "bad") }
			sim.life = func(id string) time.Duration {
				if isBroken(id) {
					return 10 * time.Millisecond
				}
				return 0
			}
			sim.startErr = func(id string) error {
				if missing && isBroken(id) {
					return fmt.Errorf("start node %q: exec: \"bad\": not found: %w", id, fleet.ErrNotRunnable)
				}
				return nil
			}
			bad := shop(1)
			bad.Name, bad.Run = "bad", []string{"bad"}
			r := startFleet(t, newFleet(t, sim, fleet.Options{}, shop(2), bad))
			time.Sleep(10 * time.Minute)
			good, st := r.Services()[0], r.Services()[1]
			if good.Ready != 2 || good.Restarts > 0 {
				t.Errorf("the other service is %+v", good)
			}
			if st.Ready != 0 || !st.CrashLoop || st.LastExit == nil || st.Restarts < 20 || st.Restarts > 100 {
				t.Errorf("the service that cannot start is %+v", st)
			}
			if n := sim.logCount("cannot start"); n != 1 {
				t.Errorf("it was logged %d times, want once", n)
			}
			broken.Store(false)
			time.Sleep(time.Minute)
			if st := r.Services()[1]; st.Ready != 1 {
				t.Errorf("after its repair the service is %+v", st)
			}
			r.stop(t, sim)
		})
	}
}

// A start that fails because the machine lacks descriptors or processes is tried again, however often it fails.
func TestShortageIsNoFailureOfTheService(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation()
			var short atomic.Bool
			short.Store(true)
			sim.startErr = func(id string) error {
				if short.Load() {
					return fmt.Errorf("start node %q: %w", id, os.NewSyscallError("pipe2", errno))
				}
				return nil
			}
			r := startFleet(t, newFleet(t, sim, fleet.Options{}, shop(1)))
			time.Sleep(time.Minute)
			if st := r.Services()[0]; st.CrashLoop || st.LastExit == nil || !strings.Contains(st.LastExit.Reason, errno.Error()) {
				t.Errorf("%v: status is %+v", errno, st)
			}
			short.Store(false)
			time.Sleep(time.Minute)
			if st := r.Services()[0]; st.Ready != 1 {
				t.Errorf("%v: after the shortage the status is %+v", errno, st)
			}
			r.stop(t, sim)
		})
	}
}

// When none of several services can start, the fleet ends.
func TestFleetEndsWhenNoServiceCanStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.life = func(string) time.Duration { return 10 * time.Millisecond }
		mail := config.Service{Name: "mail", Run: []string{"mail"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		var start *fleet.StartError
		if err := newFleet(t, sim, fleet.Options{}, shop(2), mail).Run(t.Context()); !errors.As(err, &start) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestWorkerThatEndsAtOnceEndsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.life = func(id string) time.Duration { return 10 * time.Millisecond }
		s := config.Service{Name: "mail", Run: []string{"mail"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		start := (*fleet.StartError)(nil)
		if err := newFleet(t, sim, fleet.Options{}, s).Run(t.Context()); !errors.As(err, &start) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestMissingCommandEndsTheFleetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.startErr = func(id string) error {
			return fmt.Errorf("start node %q: exec: \"shop\": not found: %w", id, fleet.ErrNotRunnable)
		}
		begun := time.Now()
		err := newFleet(t, sim, fleet.Options{}, shop(1)).Run(t.Context())
		var start *fleet.StartError
		if !errors.As(err, &start) || !errors.Is(err, fleet.ErrNotRunnable) || start.Tries != 1 {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("Run took %v", took)
		}
		if hint := start.Hint(); !strings.Contains(hint, `is "shop" installed`) {
			t.Errorf("hint is %q", hint)
		}
	})
}

func TestFailedStartIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		left := 2
		sim.startErr = func(string) error {
			if left--; left >= 0 {
				return errors.New("fork: resource temporarily unavailable")
			}
			return nil
		}
		r := start(t, sim, shop(1))
		wantStrings(t, "alive", sim.alive(), []string{"shop-3"})
		r.stop(t, sim)
	})
}

func TestNodeThatDoesNotBecomeReadyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.ready = func(id string) time.Duration {
			if id == "shop-6" {
				return time.Second
			}
			return -1
		}
		s := shop(1)
		s.Probe = config.Probe{Path: "/up", Status: []config.StatusRange{{From: 200, To: 299}}}
		r := start(t, sim, s)
		time.Sleep(time.Minute)
		wantStrings(t, "events", sim.takeEvents(), []string{"start shop-1", "drain shop-1", "stop shop-1", "end shop-1", "start shop-2"})
		const why = "not ready in time; expected: it listens on shop-1:80, which its environment names as HOST and PORT, and answers GET /up with 2xx, within the start_timeout of 1m0s"
		if st := r.Services()[0]; st.LastExit.Reason != why || st.LastExit.Node != "shop-1" {
			t.Errorf("last exit is %+v", st.LastExit)
		}
		time.Sleep(10 * time.Minute) // the fleet keeps trying: the node may wait for another service
		if st := r.Services()[0]; st.Ready != 1 || st.Restarts != 5 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, sim)
	})
}

func TestStopDrainsAllNodesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 4 * time.Second }
		sim.ending = func(string) time.Duration { return 3 * time.Second }
		mail := config.Service{Name: "mail", Run: []string{"m"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		mail.Drain = 8 * time.Second
		r := start(t, sim, shop(3), mail)
		sim.takeEvents()
		begun := time.Now()
		r.stop(t, sim)
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("the stop took %v, want 7s", took)
		}
		events := sim.takeEvents()
		slices.Sort(events[:4])
		wantStrings(t, "first events", events[:4], []string{"drain shop-1", "drain shop-2", "drain shop-3", "stop mail-1"})
		for _, e := range events {
			if strings.HasPrefix(e, "kill") || strings.HasPrefix(e, "cut") {
				t.Errorf("events are %q", events)
			}
		}
	})
}

func TestDrainHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return time.Hour } // an open WebSocket
		sim.ending = func(string) time.Duration { return -1 }
		r := start(t, sim, shop(1))
		sim.takeEvents()
		begun := time.Now()
		r.stop(t, sim)
		// the drain of the service, and then StopGrace
		if took := time.Since(begun); took != 15*time.Second {
			t.Errorf("the stop took %v, want 15s", took)
		}
		wantStrings(t, "events", sim.takeEvents(), []string{"drain shop-1", "cut shop-1", "stop shop-1", "kill shop-1", "end shop-1"})
	})
}

func TestKillEndsTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return time.Hour }
		sim.ending = func(string) time.Duration { return -1 }
		r := start(t, sim, shop(2))
		r.cancel()
		time.Sleep(2 * time.Second)
		begun := time.Now()
		r.Kill()
		r.Kill()
		r.stop(t, sim)
		if took := time.Since(begun); took != 0 {
			t.Errorf("the stop took %v after Kill", took)
		}
	})
}

func TestStopWhileANodeStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.starting = func(ctx context.Context) { time.Sleep(5 * time.Second) } // a driver that ignores its context
		r := start(t, sim, shop(2))
		r.stop(t, sim)

		sim = newSimulation()
		sim.ready = func(string) time.Duration { return -1 }
		r = start(t, sim, shop(2))
		r.stop(t, sim)

		sim = newSimulation()
		sim.startErr = func(string) error { return errors.New("no") }
		f := newFleet(t, sim, fleet.Options{BackoffMin: time.Hour, BackoffMax: time.Hour}, shop(2))
		startFleet(t, f).stop(t, sim)
	})
}

func TestNodeThatDoesNotEndIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.stopErr = func(string) error { return errors.New("still there") }
		r := start(t, sim, shop(1))
		r.cancel()
		if err := <-r.result; err != nil {
			t.Errorf("Run returned %v", err)
		}
		if n := sim.logCount("node does not end"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestRunFailsTheSecondTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		r := start(t, sim, shop(1))
		if err := r.Run(t.Context()); err == nil {
			t.Error("the second Run returned no error")
		}
		r.stop(t, sim)
		wantError(t, r.Restart(t.Context(), "shop"), fleet.ErrNotRunning)
		wantError(t, r.Drain(t.Context(), "shop-1", false), fleet.ErrUnknownNode)
	})
}

// gathered formats metrics as Prometheus does.
func gathered(t *testing.T, registry *prometheus.Registry) (all []string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			all = append(all, fmt.Sprintf("%s{%s} %v", family.GetName(), strings.Join(labels, ","), value))
		}
	}
	return all
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulation()
		sim.drain = func(string) time.Duration { return 5 * time.Second }
		registry := prometheus.NewRegistry()
		metrics := fleet.NewMetrics(registry)
		f := newFleet(t, sim, fleet.Options{Metrics: metrics}, shop(2, 4), static("db", "10.0.0.1:1"))
		r := startFleet(t, f)
		sim.crash("shop-1")
		wantError(t, r.Scale(t.Context(), "shop", 3), nil)
		time.Sleep(2 * time.Second)
		wantError(t, r.Scale(t.Context(), "shop", 2), nil)
		synctest.Wait()
		wantStrings(t, "metrics", gathered(t, registry), []string{
			`tenfold_fleet_nodes{service="shop",state="draining"} 1`,
			`tenfold_fleet_nodes{service="shop",state="ready"} 2`,
			`tenfold_fleet_nodes{service="shop",state="starting"} 0`,
			`tenfold_fleet_replacements_total{reason="memory",service="shop"} 0`,
			`tenfold_fleet_replacements_total{reason="probe",service="shop"} 0`,
			`tenfold_fleet_replacements_total{reason="requests",service="shop"} 0`,
			`tenfold_fleet_restarts_total{service="shop"} 1`,
			`tenfold_fleet_wanted_nodes{service="shop"} 2`,
		})
		r.stop(t, sim)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the same metrics were registered twice")
				}
			}()
			fleet.NewMetrics(registry)
		}()
		if _, err := fleet.New(withDriver(sim, shop(1)), sim, &fleet.Options{Metrics: metrics}); err != nil {
			t.Errorf("a second fleet with the same metrics: %v", err)
		}
	})
}

func TestNewRefusesInvalidServices(t *testing.T) {
	sim := newSimulation()
	for want, services := range map[string][]config.Service{
		"no name":                       {{Run: []string{"x"}}},
		`duplicate service name "shop"`: {shop(1), shop(1)},
		"either a command":              {{Name: "shop"}},
		"or addresses":                  {{Name: "shop", Run: []string{"x"}, Addresses: []string{"a:1"}}},
		"2..1 nodes":                    {shop(2, 1)},
		"-1..1 nodes":                   {shop(-1, 1)},
		`make fleet: add service "`:     {{Name: "shop"}},
	} {
		if _, err := fleet.New(withDriver(sim, services...), sim, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	if _, err := fleet.New(withDriver(sim, shop(1)), nil, nil); err == nil || !strings.Contains(err.Error(), "Traffic") {
		t.Errorf("without Traffic the error is %v", err)
	}
	if _, err := fleet.New([]fleet.Service{{Service: shop(1)}}, sim, nil); err == nil || !strings.Contains(err.Error(), "driver") {
		t.Errorf("without a driver the error is %v", err)
	}
	mail := config.Service{Name: "mail", Run: []string{"m"}, Worker: true}
	if _, err := fleet.New(withDriver(sim, mail), nil, nil); err != nil {
		t.Error(err)
	}
}
