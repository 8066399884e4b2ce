package upstream

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics has the counters and gauges of all pools. It is safe for concurrent use.
//
// Any number of pools can share one Metrics, also two pools of the same service at the same time. Their counters,
// their requests in flight and their queued requests add up. The state of the breaker and the number of usable nodes
// are those of the pool that started last. The gauges of a service exist while a pool of the service runs.
type Metrics struct {
	retries       *prometheus.CounterVec   // by service
	notRetried    *prometheus.CounterVec   // by service and reason
	refused       *prometheus.CounterVec   // by service and reason
	ejections     *prometheus.CounterVec   // by service
	probeFailures *prometheus.CounterVec   // by service
	liveness      *prometheus.CounterVec   // by service
	localErrors   *prometheus.CounterVec   // by service and reason
	queueWait     *prometheus.HistogramVec // by service
	gauges        gauges
}

// NewMetrics returns the metrics of a registry. It panics when it is called twice for the same registry. A nil
// registerer means that the metrics are not exported.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		retries: counter("tenfold_upstream_retries_total", "Requests that were sent again.", "service"),
		notRetried: counter("tenfold_upstream_not_retried_total",
			"Failed tries that were not repeated: the method is not idempotent and the request may have been sent (unsafe), "+
				"its body was gone (body), all tries (tries) or the retry budget (budget) were spent.", "service", "reason"),
		refused: counter("tenfold_upstream_refused_total",
			"Requests that were answered without a try on any node.", "service", "reason"),
		ejections: counter("tenfold_upstream_ejections_total",
			"Nodes taken out because live requests failed on them.", "service"),
		probeFailures: counter("tenfold_upstream_probe_failures_total", "Probes that failed.", "service"),
		liveness:      counter("tenfold_upstream_liveness_failures_total", "Liveness probes that failed.", "service"),
		localErrors: counter("tenfold_upstream_local_errors_total",
			"Tries and probes that failed for a reason that lies with tenfold: it was short of descriptors, ports or memory, "+
				"or the response was above a limit (response_limit). They count against no node.", "service", "reason"),
		queueWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tenfold_upstream_queue_wait_seconds", Help: "How long queued requests waited for a free node.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3},
		}, []string{"service"}),
		gauges: newGauges(),
	}
	if r != nil {
		r.MustRegister(m.retries, m.notRetried, m.refused, m.ejections, m.probeFailures, m.liveness, m.localErrors, m.queueWait, &m.gauges)
	}
	return m
}

// serviceMetrics are the counters of one service.
type serviceMetrics struct {
	retries          prometheus.Counter
	unsafe           prometheus.Counter
	bodyGone         prometheus.Counter
	triesSpent       prometheus.Counter
	budgetSpent      prometheus.Counter
	noNode           prometheus.Counter
	queueFull        prometheus.Counter
	queueTimeout     prometheus.Counter
	queueWait        prometheus.Observer
	breakerOpen      prometheus.Counter
	ejections        prometheus.Counter
	probeFailures    prometheus.Counter
	livenessFailures prometheus.Counter
	localErrors      map[string]prometheus.Counter // by reason
}

func (m *Metrics) of(service string) *serviceMetrics {
	localErrors := make(map[string]prometheus.Counter)
	for _, reason := range []string{"descriptors", "ports", "memory", "response_limit"} {
		localErrors[reason] = m.localErrors.WithLabelValues(service, reason)
	}
	return &serviceMetrics{
		retries:          m.retries.WithLabelValues(service),
		unsafe:           m.notRetried.WithLabelValues(service, "unsafe"),
		bodyGone:         m.notRetried.WithLabelValues(service, "body"),
		triesSpent:       m.notRetried.WithLabelValues(service, "tries"),
		budgetSpent:      m.notRetried.WithLabelValues(service, "budget"),
		noNode:           m.refused.WithLabelValues(service, "no_node"),
		queueFull:        m.refused.WithLabelValues(service, "queue_full"),
		queueTimeout:     m.refused.WithLabelValues(service, "queue_timeout"),
		queueWait:        m.queueWait.WithLabelValues(service),
		breakerOpen:      m.refused.WithLabelValues(service, "breaker"),
		ejections:        m.ejections.WithLabelValues(service),
		probeFailures:    m.probeFailures.WithLabelValues(service),
		livenessFailures: m.liveness.WithLabelValues(service),
		localErrors:      localErrors,
	}
}

// countNotRetried counts a failed attempt that was not repeated. An empty reason is not counted.
func (m *serviceMetrics) countNotRetried(reason string) {
	switch reason {
	case "unsafe":
		m.unsafe.Inc()
	case "body":
		m.bodyGone.Inc()
	case "tries":
		m.triesSpent.Inc()
	case "budget":
		m.budgetSpent.Inc()
	}
}

// gauges is the collector of the numbers that are read from the pools when the metrics are scraped.
type gauges struct {
	inFlight, queued, breaker, nodesUsable, nodesHung *prometheus.Desc

	mu    sync.Mutex
	pools map[string][]*gaugeSource // running pools by service; the one that started last is the last
}

// gaugeSource reads the gauges of one pool.
type gaugeSource struct {
	inFlight, queued, breaker, nodesUsable, nodesHung func() float64
}

func newGauges() gauges {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"service"}, nil)
	}
	return gauges{
		inFlight:    desc("tenfold_upstream_in_flight", "Requests that nodes are working on."),
		queued:      desc("tenfold_upstream_queued", "Requests that wait for a free node."),
		breaker:     desc("tenfold_upstream_breaker", "The circuit breaker: 0 closed, 1 open, 2 half-open."),
		nodesUsable: desc("tenfold_upstream_nodes_usable", "Nodes that get requests."),
		nodesHung:   desc("tenfold_upstream_nodes_hung", "Nodes that fail their probes or answer no requests for too long."),
		pools:       make(map[string][]*gaugeSource),
	}
}

// add includes a pool of the service in the gauges until remove is called.
func (g *gauges) add(service string, source *gaugeSource) (remove func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pools[service] = append(g.pools[service], source)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		all := slices.DeleteFunc(g.pools[service], func(s *gaugeSource) bool { return s == source })
		if g.pools[service] = all; len(all) == 0 {
			delete(g.pools, service)
		}
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.inFlight, g.queued, g.breaker, g.nodesUsable, g.nodesHung} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(metrics chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for service, all := range g.pools {
		gauge := func(d *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, service)
		}
		inFlight, queued := 0.0, 0.0
		for _, s := range all {
			inFlight += s.inFlight()
			queued += s.queued()
		}
		newest := all[len(all)-1]
		gauge(g.inFlight, inFlight)
		gauge(g.queued, queued)
		gauge(g.breaker, newest.breaker())
		gauge(g.nodesUsable, newest.nodesUsable())
		gauge(g.nodesHung, newest.nodesHung())
	}
}
