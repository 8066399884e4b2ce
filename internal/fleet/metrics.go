package fleet

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of a fleet. A fleet that follows another one in the same process uses the same value.
type Metrics struct {
	nodes    *prometheus.GaugeVec
	wanted   *prometheus.GaugeVec
	restarts *prometheus.CounterVec
	replaced *prometheus.CounterVec
}

// NewMetrics returns the metrics of a registry. It panics when it is called twice for one registry. A nil registerer
// means that the metrics are not exported.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		nodes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tenfold_fleet_nodes",
			Help: "Nodes that exist, by service and state: starting, ready, draining.",
		}, []string{"service", "state"}),
		wanted: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tenfold_fleet_wanted_nodes",
			Help: "Nodes that a service should have.",
		}, []string{"service"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tenfold_fleet_restarts_total",
			Help: "Nodes that ended unasked, did not start or did not become ready, each of which is replaced.",
		}, []string{"service"}),
		replaced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tenfold_fleet_replacements_total",
			Help: "Replacements of nodes that ran: they failed their probes (probe), answered no requests (requests) or used too much memory (memory).",
		}, []string{"service", "reason"}),
	}
	if r != nil {
		r.MustRegister(m.nodes, m.wanted, m.restarts, m.replaced)
	}
	return m
}

// declare makes the counters of replacements of a service visible before the first replacement.
func (m *Metrics) declare(service string) {
	for _, reason := range []string{hungByProbe, "requests", overMemory} {
		m.replaced.WithLabelValues(service, reason)
	}
}

// forget ends the series of a service that was removed.
func (m *Metrics) forget(service string) {
	labels := prometheus.Labels{"service": service}
	m.nodes.DeletePartialMatch(labels)
	m.wanted.DeletePartialMatch(labels)
	m.restarts.DeletePartialMatch(labels)
}
