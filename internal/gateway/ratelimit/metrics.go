package ratelimit

import "github.com/prometheus/client_golang/prometheus"

// Metrics count decisions and round trips to the store. Several Limits may share one, for example during a reload.
type Metrics struct {
	admitted, refused    prometheus.Counter
	storeOK, storeFailed prometheus.Counter
	evicted              prometheus.Counter
	storeUp              prometheus.Gauge
}

// NewMetrics returns metrics that are registered at r, unless r is nil. Call it once per Registerer.
func NewMetrics(r prometheus.Registerer) *Metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_rate_limit_requests_total",
		Help: "Requests of routes with a rate limit, by result."}, []string{"result"})
	storeRequests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_rate_limit_store_requests_total",
		Help: "Round trips to the store for tokens. After one that fails, this gateway counts alone."}, []string{"result"})
	m := &Metrics{
		admitted:    requests.WithLabelValues("admitted"),
		refused:     requests.WithLabelValues("refused"),
		storeOK:     storeRequests.WithLabelValues("ok"),
		storeFailed: storeRequests.WithLabelValues("failed"),
		evicted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenfold_rate_limit_forgotten_total",
			Help: "Callers that were dropped without their full burst, because too many callers came."}),
		storeUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tenfold_rate_limit_store_up",
			Help: "1 while gateways count together, 0 while this gateway counts alone."}),
	}
	if r != nil {
		r.MustRegister(requests, storeRequests, m.evicted, m.storeUp)
	}
	return m
}
