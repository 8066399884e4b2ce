package upstream

import "github.com/prometheus/client_golang/prometheus"

// metrics are a pool's counters, all with its service as a constant label.
type metrics struct {
	retries       prometheus.Counter
	unsafe        prometheus.Counter
	bodyGone      prometheus.Counter
	triesSpent    prometheus.Counter
	budgetSpent   prometheus.Counter
	noNode        prometheus.Counter
	queueFull     prometheus.Counter
	queueTimeout  prometheus.Counter
	queueWait     prometheus.Histogram
	breakerOpen   prometheus.Counter
	ejections     prometheus.Counter
	probeFailures prometheus.Counter
}

func newMetrics(r prometheus.Registerer, p *Pool) *metrics {
	service := prometheus.Labels{"service": p.service.Name}
	counter := func(name, help string, labels ...string) prometheus.Counter {
		all := prometheus.Labels{"service": p.service.Name}
		for i := 0; i < len(labels); i += 2 {
			all[labels[i]] = labels[i+1]
		}
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: all})
	}
	const notRetried = "tenfold_upstream_not_retried_total"
	const notRetriedHelp = "Failed tries that were not repeated: the method is not idempotent and the request may have been sent (unsafe), its body was gone (body), all tries (tries) or the retry budget (budget) were spent."
	const refused = "tenfold_upstream_refused_total"
	const refusedHelp = "Requests that were answered without a try on any node."
	m := &metrics{
		retries:       counter("tenfold_upstream_retries_total", "Requests that were sent again."),
		unsafe:        counter(notRetried, notRetriedHelp, "reason", "unsafe"),
		bodyGone:      counter(notRetried, notRetriedHelp, "reason", "body"),
		triesSpent:    counter(notRetried, notRetriedHelp, "reason", "tries"),
		budgetSpent:   counter(notRetried, notRetriedHelp, "reason", "budget"),
		noNode:        counter(refused, refusedHelp, "reason", "no_node"),
		queueFull:     counter(refused, refusedHelp, "reason", "queue_full"),
		queueTimeout:  counter(refused, refusedHelp, "reason", "queue_timeout"),
		breakerOpen:   counter(refused, refusedHelp, "reason", "breaker"),
		ejections:     counter("tenfold_upstream_ejections_total", "Nodes taken out because live requests failed on them."),
		probeFailures: counter("tenfold_upstream_probe_failures_total", "Probes that failed."),
		queueWait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tenfold_upstream_queue_wait_seconds", Help: "How long queued requests waited for a free node.",
			ConstLabels: service, Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3},
		}),
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: service}, f)
	}
	r.MustRegister(m.retries, m.unsafe, m.bodyGone, m.triesSpent, m.budgetSpent, m.noNode, m.queueFull, m.queueTimeout,
		m.breakerOpen, m.ejections, m.probeFailures, m.queueWait,
		gauge("tenfold_upstream_in_flight", "Requests that nodes are working on.", func() float64 { return float64(p.inFlight.Load()) }),
		gauge("tenfold_upstream_queued", "Requests that wait for a free node.", func() float64 { return float64(p.queue.waiting.Load()) }),
		gauge("tenfold_upstream_breaker", "The circuit breaker: 0 closed, 1 open, 2 half-open.", func() float64 { return float64(p.Breaker()) }),
		gauge("tenfold_upstream_nodes_usable", "Nodes that get requests.", func() float64 { return float64(len(p.view.Load().members)) }),
	)
	return m
}

// notRetried counts a failed try that judge did not repeat.
func (m *metrics) notRetried(why string) {
	switch why {
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
