package fleet_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/fleettest"
)

// startRemote runs a fleet with one remote service of 2..6 nodes.
func startRemote(t *testing.T, sim *simulation, c *fleettest.Cluster) *runningFleet {
	t.Helper()
	s := config.Service{Name: "shop", MinNodes: 2, MaxNodes: 6}
	f, err := fleet.New([]fleet.Service{{Service: s, Remote: c}}, sim, &fleet.Options{Metrics: fleet.NewMetrics(prometheus.NewRegistry())})
	if err != nil {
		t.Fatal(err)
	}
	return startFleet(t, f)
}

func TestRemoteNodesArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c := newSimulation(), fleettest.NewCluster(2)
		r := startRemote(t, sim, c)
		if got, want := nodes(r.sets(t)["shop"]), "pod-1 starting, pod-2 starting"; got != want {
			t.Errorf("set is %q, want %q", got, want)
		}
		if n := r.Nodes("shop")[0]; n.Service != "shop" || n.Address != "10.0.0.1:80" {
			t.Errorf("node is %+v", n)
		}
		c.Replace("pod-1")
		synctest.Wait()
		if got, want := nodes(r.sets(t)["shop"]), "pod-2 starting, pod-3 starting"; got != want {
			t.Errorf("after a node was replaced the set is %q, want %q", got, want)
		}
		r.stop(t, sim)
	})
}

func TestRemoteKeepsTheSizeThatItHasAtTheStart(t *testing.T) {
	for size, want := range map[int]int{1: 2, 4: 4, 9: 6} {
		synctest.Test(t, func(t *testing.T) {
			sim, c := newSimulation(), fleettest.NewCluster(size)
			r := startRemote(t, sim, c)
			if st := r.Services()[0]; st.Kind != config.Remote || st.Wanted != want || st.Running != want || st.Min != 2 || st.Max != 6 {
				t.Errorf("with %d nodes at the start, the status is %+v", size, st)
			}
			r.stop(t, sim)
		})
	}
}

func TestRemoteIsScaled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c := newSimulation(), fleettest.NewCluster(2)
		r := startRemote(t, sim, c)
		wantError(t, r.Scale(t.Context(), "shop", 5), nil)
		synctest.Wait()
		if st := r.Services()[0]; st.Wanted != 5 || st.Running != 5 {
			t.Errorf("status is %+v", st)
		}
		wantError(t, r.Scale(t.Context(), "shop", 7), fleet.ErrSize)
		wantError(t, c.Scale(t.Context(), 3), nil) // another client of the system
		synctest.Wait()
		if st := r.Services()[0]; st.Wanted != 5 || st.Running != 5 {
			t.Errorf("after another client has scaled it, the status is %+v", st)
		}
		r.stop(t, sim)
	})
}

func TestRemoteScaleIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c := newSimulation(), fleettest.NewCluster(2)
		calls := 0
		c.ScaleErr = func(int) error {
			if calls++; calls < 5 {
				return errors.New("etcd has no leader")
			}
			return nil
		}
		r := startRemote(t, sim, c)
		wantError(t, r.Scale(t.Context(), "shop", 4), nil)
		time.Sleep(time.Minute)
		if st := r.Services()[0]; st.Running != 4 || calls != 5 {
			t.Errorf("after %d calls the status is %+v", calls, st)
		}
		r.stop(t, sim)
	})
}

func TestRemoteNodesAreNotReplacedOrStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c := newSimulation(), fleettest.NewCluster(2)
		r := startRemote(t, sim, c)
		wantError(t, r.Restart(t.Context(), "shop"), fleet.ErrRemote)
		wantError(t, r.Drain(t.Context(), "pod-1", false), fleet.ErrRemote)
		r.stop(t, sim)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if s := <-c.Watch(ctx); len(s.Nodes) != 2 {
			t.Errorf("after Run the system has %v, want both nodes", s.Nodes)
		}
	})
}
