package server

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/output"
)

// metrics are the metrics of all parts, on one registry. They are made once: a second gateway next to the first one, as
// after a change of the configuration, uses the same ones.
type metrics struct {
	registry *prometheus.Registry
	gateway  *gateway.Metrics
	fleet    *fleet.Metrics
	reloads  *prometheus.CounterVec // by result
	loaded   prometheus.Gauge       // when the file that runs was read, in seconds since 1970
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m := &metrics{
		registry: r, gateway: gateway.NewMetrics(r), fleet: fleet.NewMetrics(r),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tenfold_reloads_total", Help: "Reloads of the file, by result: ok, refused (nothing has changed) or held_back."},
			[]string{"result"}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tenfold_config_loaded_timestamp_seconds", Help: "When the configuration that runs was read."}),
	}
	r.MustRegister(m.reloads, m.loaded)
	for _, result := range []string{"ok", "refused", "held_back"} {
		m.reloads.WithLabelValues(result)
	}
	m.loaded.SetToCurrentTime()
	return m
}

// countReload counts the result of a reload.
func (m *metrics) countReload(err error) {
	result := "ok"
	switch {
	case errors.As(err, new(config.Problems)):
		result = "refused"
	case err != nil:
		result = "held_back"
	}
	m.reloads.WithLabelValues(result).Inc()
	if result != "refused" {
		m.loaded.SetToCurrentTime()
	}
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// registerDropped registers the number of dropped records of each stream.
func (m *metrics) registerDropped(streams []*output.Stream) {
	for _, s := range streams {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "tenfold_log_dropped_total",
			Help:        "Log records and lines of nodes that were dropped because the stream was blocked, closed or full.",
			ConstLabels: prometheus.Labels{"stream": s.Name()},
		}, func() float64 { return float64(s.Dropped()) }))
	}
}

// registerStore registers whether the store answers.
func (m *metrics) registerStore(up func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tenfold_store_up",
		Help: "1 while the store answers, and without a store; 0 while it does not answer.",
	}, func() float64 {
		if up() {
			return 1
		}
		return 0
	}))
}
