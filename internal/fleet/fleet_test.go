package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
)

func TestAServiceGetsItsNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := shop(2, 4)
		s.Dir, s.Env = "/srv", map[string]string{"B": "2", "A": "1", "REDIS_URL": "own"}
		mail := config.Service{Name: "mail", Run: []string{"shop", "work"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		r := begin(t, newFleet(t, w, fleet.Options{Env: func() []string { return []string{"REDIS_URL=redis://x"} }}, s, mail))
		equal(t, "alive", w.alive(), []string{"mail-1", "shop-1", "shop-2"})
		sets := r.sets(t)
		if got, want := nodes(sets["shop"]), "shop-1 starting, shop-2 starting"; got != want {
			t.Errorf("set is %q, want %q: the gateway's probe makes them ready", got, want)
		}
		if got, want := nodes(sets["mail"]), "mail-1 ready"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		n := sets["shop"].Nodes[0]
		if n.Address != "shop-1:80" || n.PID != 4711 || n.Service != "shop" || n.Started.IsZero() {
			t.Errorf("node is %+v", n)
		}
		spec := w.specs[slices.IndexFunc(w.specs, func(s fleet.Spec) bool { return s.ID == "shop-1" })]
		want := fleet.Spec{ID: "shop-1", Run: s.Run, Dir: "/srv", Serves: true, Env: []string{
			"REDIS_URL=redis://x", "A=1", "B=2", "REDIS_URL=own", "TENFOLD_SERVICE=shop", "TENFOLD_NODE=shop-1"}}
		if fmt.Sprint(spec) != fmt.Sprint(want) {
			t.Errorf("spec is %v, want %v", spec, want)
		}
		r.stop(t, w)
	})
}

func TestOneCrashedNodeIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(3))
		for i := range 30 { // one after the other, each after three seconds
			time.Sleep(3 * time.Second)
			begun := time.Now()
			w.crash(w.alive()[0])
			synctest.Wait()
			if n := len(w.alive()); n != 3 {
				t.Fatalf("crash %d: %d nodes right after it, want 3", i+1, n)
			}
			if last := slices.MaxFunc(w.begun(), time.Time.Compare); last != begun {
				t.Fatalf("crash %d: replaced after %v", i+1, last.Sub(begun))
			}
		}
		st := r.Services()[0]
		if st.Restarts != 30 || st.CrashLoop || st.LastExit.Reason != "killed by SIGKILL" {
			t.Errorf("status is %+v", st)
		}
		ids := map[string]bool{}
		for _, s := range w.specs {
			if ids[s.ID] {
				t.Errorf("id %s was given twice", s.ID)
			}
			ids[s.ID] = true
		}
		r.stop(t, w)
	})
}

// A service that was fine and now dies on every start, as after a bad change of its database.
func TestACrashLoopIsToldOnceAndDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var broken atomic.Bool
		w.life = func(string) time.Duration {
			if broken.Load() {
				return 10 * time.Millisecond
			}
			return 0
		}
		r := start(t, w, shop(1))
		broken.Store(true)
		w.crash("shop-1")
		begun := len(w.begun())
		time.Sleep(10 * time.Minute)
		// Half of the ceilings on average: 100 ms, 200 ms ... 30 s, then 15 s each.
		if n := len(w.begun()) - begun; n < 20 || n > 100 {
			t.Errorf("%d starts in ten minutes", n)
		}
		if n := w.logged("crash loop"); n != 1 {
			t.Errorf("the crash loop was logged %d times", n)
		}
		st := r.Services()[0]
		if !st.CrashLoop || st.Since.IsZero() || st.LastExit.Reason != "exit status 1" ||
			!strings.HasPrefix(st.LastExit.Output[0], "last words of shop-") || st.LastExit.Node == "" {
			t.Errorf("status is %+v, last exit %+v", st, st.LastExit)
		}
		broken.Store(false)
		time.Sleep(10 * time.Minute)
		if st := r.Services()[0]; st.CrashLoop || !st.Since.IsZero() || st.Ready != 1 {
			t.Errorf("ten minutes after it was repaired the status is %+v", st)
		}
		if n := w.logged("service is out of its crash loop"); n != 1 {
			t.Errorf("its end was logged %d times", n)
		}
		r.stop(t, w)
	})
}

func TestACommandThatEndsAtOnceEndsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.life = func(id string) time.Duration {
			if strings.HasPrefix(id, "bad") {
				return 10 * time.Millisecond
			}
			return 0
		}
		bad := shop(3)
		bad.Name, bad.Run = "bad", []string{"bad", "serve", "it's"}
		err := newFleet(t, w, fleet.Options{}, shop(2), bad).Run(t.Context())
		var start *fleet.StartError
		if !errors.As(err, &start) {
			t.Fatalf("Run returned %v", err)
		}
		want := `start service "bad": bad serve 'it'\''s' ended 3 times before it was ready: exit status 1`
		if err.Error() != want || start.Service != "bad" || start.Tries != 3 || len(start.Output) != 1 {
			t.Errorf("error is %q %+v, want %q", err, start, want)
		}
		if hint := start.Hint(); !strings.Contains(hint, "last words of bad-") || !strings.Contains(hint, "PORT=") {
			t.Errorf("hint is %q", hint)
		}
		if left := w.alive(); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
	})
}

func TestAWorkerThatEndsAtOnceEndsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.life = func(id string) time.Duration { return 10 * time.Millisecond }
		s := config.Service{Name: "mail", Run: []string{"mail"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		start := (*fleet.StartError)(nil)
		if err := newFleet(t, w, fleet.Options{}, s).Run(t.Context()); !errors.As(err, &start) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestAMissingCommandEndsTheFleetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.startErr = func(id string) error {
			return fmt.Errorf("start node %q: exec: \"shop\": not found: %w", id, fleet.ErrNotRunnable)
		}
		begun := time.Now()
		err := newFleet(t, w, fleet.Options{}, shop(1)).Run(t.Context())
		var start *fleet.StartError
		if !errors.As(err, &start) || !errors.Is(err, fleet.ErrNotRunnable) || start.Tries != 1 {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v", took)
		}
		if hint := start.Hint(); !strings.Contains(hint, `is "shop" installed`) {
			t.Errorf("hint is %q", hint)
		}
	})
}

func TestAStartThatFailsForAMomentIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		left := 2
		w.startErr = func(string) error {
			if left--; left >= 0 {
				return errors.New("fork: resource temporarily unavailable")
			}
			return nil
		}
		r := start(t, w, shop(1))
		equal(t, "alive", w.alive(), []string{"shop-3"})
		r.stop(t, w)
	})
}

func TestANodeThatDoesNotBecomeReadyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.ready = func(id string) time.Duration {
			if id == "shop-6" {
				return time.Second
			}
			return -1
		}
		s := shop(1)
		s.Probe = config.Probe{Path: "/up", Status: []config.StatusRange{{From: 200, To: 299}}}
		r := start(t, w, s)
		time.Sleep(time.Minute)
		equal(t, "events", w.happened(), []string{"start shop-1", "drain shop-1", "stop shop-1", "end shop-1", "start shop-2"})
		const why = "not ready in time; expected: it listens on shop-1:80, which its environment names as HOST and PORT, and answers GET /up with 2xx"
		if st := r.Services()[0]; st.LastExit.Reason != why || st.LastExit.Node != "shop-1" {
			t.Errorf("last exit is %+v", st.LastExit)
		}
		time.Sleep(10 * time.Minute) // it goes on trying: what it waits for may yet come
		if st := r.Services()[0]; st.Ready != 1 || st.Restarts != 5 {
			t.Errorf("status is %+v", st)
		}
		r.stop(t, w)
	})
}

func TestTheEndDrainsAllNodesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return 4 * time.Second }
		w.ending = func(string) time.Duration { return 3 * time.Second }
		mail := config.Service{Name: "mail", Run: []string{"m"}, MinNodes: 1, MaxNodes: 1, Worker: true}
		mail.Drain = 8 * time.Second
		r := start(t, w, shop(3), mail)
		w.happened()
		begun := time.Now()
		r.stop(t, w)
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("the end took %v, want 7s", took)
		}
		events := w.happened()
		slices.Sort(events[:4])
		equal(t, "first events", events[:4], []string{"drain shop-1", "drain shop-2", "drain shop-3", "stop mail-1"})
		for _, e := range events {
			if strings.HasPrefix(e, "kill") || strings.HasPrefix(e, "cut") {
				t.Errorf("events are %q", events)
			}
		}
	})
}

func TestADrainHasItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return time.Hour } // an open WebSocket
		w.ending = func(string) time.Duration { return -1 }
		r := start(t, w, shop(1))
		w.happened()
		begun := time.Now()
		r.stop(t, w)
		// drain, and then at least the grace to end by itself
		if took := time.Since(begun); took != 15*time.Second {
			t.Errorf("the end took %v, want 15s", took)
		}
		equal(t, "events", w.happened(), []string{"drain shop-1", "cut shop-1", "stop shop-1", "kill shop-1", "end shop-1"})
	})
}

func TestKillCutsTheDrainShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.drain = func(string) time.Duration { return time.Hour }
		w.ending = func(string) time.Duration { return -1 }
		r := start(t, w, shop(2))
		r.cancel()
		time.Sleep(2 * time.Second)
		begun := time.Now()
		r.Kill()
		r.Kill()
		r.stop(t, w)
		if took := time.Since(begun); took != 0 {
			t.Errorf("after Kill it took %v", took)
		}
	})
}

func TestTheEndComesWhileANodeStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.starting = func(ctx context.Context) { time.Sleep(5 * time.Second) } // a driver that does not look up
		r := start(t, w, shop(2))
		r.stop(t, w)

		w = newWorld()
		w.ready = func(string) time.Duration { return -1 }
		r = start(t, w, shop(2))
		r.stop(t, w)

		w = newWorld()
		w.startErr = func(string) error { return errors.New("no") }
		f := newFleet(t, w, fleet.Options{BackoffMin: time.Hour, BackoffMax: time.Hour}, shop(2))
		begin(t, f).stop(t, w)
	})
}

func TestANodeThatDoesNotEndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.stopErr = func(string) error { return errors.New("still there") }
		r := start(t, w, shop(1))
		r.cancel()
		if err := <-r.ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
		if n := w.logged("node does not end"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestRunRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, shop(1))
		if err := r.Run(t.Context()); err == nil {
			t.Error("a second Run is fine")
		}
		r.stop(t, w)
		is(t, r.Restart(t.Context(), "shop"), fleet.ErrNotRunning)
		is(t, r.Drain(t.Context(), "shop-1"), fleet.ErrUnknownNode)
	})
}

// gathered writes metrics as Prometheus shows them.
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
		w := newWorld()
		w.drain = func(string) time.Duration { return 5 * time.Second }
		registry := prometheus.NewRegistry()
		metrics, err := fleet.NewMetrics(registry)
		if err != nil {
			t.Fatal(err)
		}
		f := newFleet(t, w, fleet.Options{Metrics: metrics}, shop(2, 4), static("db", "10.0.0.1:1"))
		r := begin(t, f)
		w.crash("shop-1")
		is(t, r.Scale(t.Context(), "shop", 3), nil)
		time.Sleep(2 * time.Second)
		is(t, r.Scale(t.Context(), "shop", 2), nil)
		synctest.Wait()
		equal(t, "metrics", gathered(t, registry), []string{
			`tenfold_fleet_nodes{service="shop",state="draining"} 1`,
			`tenfold_fleet_nodes{service="shop",state="ready"} 2`,
			`tenfold_fleet_nodes{service="shop",state="starting"} 0`,
			`tenfold_fleet_restarts_total{service="shop"} 1`,
			`tenfold_fleet_wanted_nodes{service="shop"} 2`,
		})
		r.stop(t, w)
		if _, err := fleet.NewMetrics(registry); err == nil {
			t.Error("the same metrics were registered twice")
		}
		if _, err := fleet.New([]config.Service{shop(1)}, w, w, &fleet.Options{Metrics: metrics}); err != nil {
			t.Errorf("a second fleet with the same metrics: %v", err)
		}
	})
}

func TestBadServicesAreRefused(t *testing.T) {
	w := newWorld()
	for want, services := range map[string][]config.Service{
		"no name":               {{Run: []string{"x"}}},
		"there twice":           {shop(1), shop(1)},
		"either a command":      {{Name: "shop"}},
		"or addresses":          {{Name: "shop", Run: []string{"x"}, Addresses: []string{"a:1"}}},
		"2..1 nodes":            {shop(2, 1)},
		"-1..1 nodes":           {shop(-1, 1)},
		`make fleet: service "`: {{Name: "shop"}},
	} {
		if _, err := fleet.New(services, w, w, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	if _, err := fleet.New([]config.Service{shop(1)}, w, nil, nil); err == nil {
		t.Error("nobody sends requests, and that is fine")
	}
	mail := config.Service{Name: "mail", Run: []string{"m"}, Worker: true}
	if _, err := fleet.New([]config.Service{mail}, w, nil, nil); err != nil {
		t.Error(err)
	}
}
