package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return &metrics{registry: r, gateway: gateway.NewMetrics(r), fleet: fleet.NewMetrics(r)}
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
