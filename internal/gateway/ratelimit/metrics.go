package ratelimit

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	admitted, refused prometheus.Counter
	asked, failed     prometheus.Counter
	forgotten         prometheus.Counter
	up                prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_rate_limit_requests_total", Help: "Requests of routes with a rate limit, by what became of them."}, []string{"result"})
	asks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_rate_limit_store_requests_total", Help: "Round trips to the store for tokens. One that fails makes this gateway count alone."}, []string{"result"})
	m := &metrics{
		admitted: requests.WithLabelValues("admitted"),
		refused:  requests.WithLabelValues("refused"),
		asked:    asks.WithLabelValues("ok"),
		failed:   asks.WithLabelValues("failed"),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenfold_rate_limit_forgotten_total", Help: "Callers that were forgotten before they had their full burst again, because too many came."}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tenfold_rate_limit_store_up", Help: "1 while limits are counted for the fleet, 0 while this gateway counts alone."}),
	}
	if r != nil {
		r.MustRegister(requests, asks, m.forgotten, m.up)
	}
	return m
}
