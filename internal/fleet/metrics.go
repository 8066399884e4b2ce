package fleet

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the counters of a fleet. One value serves all fleets of a process, one after the other.
type Metrics struct {
	nodes    *prometheus.GaugeVec
	wanted   *prometheus.GaugeVec
	restarts *prometheus.CounterVec
}

// NewMetrics makes the counters and registers them with r. It fails when r has some of them already. A nil r registers
// nothing.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
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
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.nodes, m.wanted, m.restarts} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
