package upstream

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The names and labels are those that dashboards use. They must not change.
var seriesOfAService = []string{
	"tenfold_upstream_breaker{service=shop}",
	"tenfold_upstream_ejections_total{service=shop}",
	"tenfold_upstream_in_flight{service=shop}",
	"tenfold_upstream_liveness_failures_total{service=shop}",
	"tenfold_upstream_local_errors_total{reason=descriptors,service=shop}",
	"tenfold_upstream_local_errors_total{reason=memory,service=shop}",
	"tenfold_upstream_local_errors_total{reason=ports,service=shop}",
	"tenfold_upstream_local_errors_total{reason=response_limit,service=shop}",
	"tenfold_upstream_nodes_hung{service=shop}",
	"tenfold_upstream_nodes_usable{service=shop}",
	"tenfold_upstream_not_retried_total{reason=body,service=shop}",
	"tenfold_upstream_not_retried_total{reason=budget,service=shop}",
	"tenfold_upstream_not_retried_total{reason=tries,service=shop}",
	"tenfold_upstream_not_retried_total{reason=unsafe,service=shop}",
	"tenfold_upstream_probe_failures_total{service=shop}",
	"tenfold_upstream_queue_wait_seconds{service=shop}",
	"tenfold_upstream_queued{service=shop}",
	"tenfold_upstream_refused_total{reason=breaker,service=shop}",
	"tenfold_upstream_refused_total{reason=no_node,service=shop}",
	"tenfold_upstream_refused_total{reason=queue_full,service=shop}",
	"tenfold_upstream_refused_total{reason=queue_timeout,service=shop}",
	"tenfold_upstream_retries_total{service=shop}",
}

// series returns the values of all series by name and labels; of a histogram, the number of observations.
func series(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return all
}

// A reload runs the pool of the new configuration next to the old one, with the same registry.
func TestTwoPoolsOfOneServiceShareTheMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	m := NewMetrics(r)
	address := serve(t, respondWith(""))
	ctx, stopOld := context.WithCancel(t.Context())
	old := New(serviceOf(t, "", address), &Options{Metrics: m})
	oldDone := make(chan error)
	go func() { oldDone <- old.Run(ctx) }()
	old.Update(setOf(address))
	if err := old.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	current := startPool(t, "", &Options{Metrics: m}, address, serve(t, respondWith("")))
	for _, id := range []string{"shop-1", "shop-2"} {
		if err := current.AwaitReady(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}

	got := series(t, r)
	var names []string
	for name := range got {
		names = append(names, name)
	}
	if slices.Sort(names); !slices.Equal(names, seriesOfAService) {
		t.Errorf("series:\n%s\nwant:\n%s", strings.Join(names, "\n"), strings.Join(seriesOfAService, "\n"))
	}
	if n := got["tenfold_upstream_nodes_usable{service=shop}"]; n != 2 {
		t.Errorf("%v usable nodes, want the 2 of the new pool", n)
	}

	for _, p := range []*Pool{old, current} {
		p.metrics.retries.Inc()
		p.members["shop-1"].acquire(0)
		p.inFlight.Add(1)
	}
	got = series(t, r)
	for _, name := range []string{"tenfold_upstream_in_flight{service=shop}", "tenfold_upstream_retries_total{service=shop}"} {
		if got[name] != 2 {
			t.Errorf("%s is %v, want the sum 2", name, got[name])
		}
	}

	stopOld()
	<-oldDone
	if n := series(t, r)["tenfold_upstream_in_flight{service=shop}"]; n != 1 {
		t.Errorf("%v in flight after the old pool has ended, want 1", n)
	}
}

func TestGaugesOfAServiceEndWithItsLastPool(t *testing.T) {
	r := prometheus.NewRegistry()
	p := New(serviceOf(t, "", "127.0.0.1:1"), &Options{Metrics: NewMetrics(r)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Run(ctx)
	for name := range series(t, r) {
		if strings.Contains(name, "nodes_usable") {
			t.Errorf("%s is still there", name)
		}
	}
}
