package jwt

import "github.com/prometheus/client_golang/prometheus"

// metrics are a Verifier's counters.
type metrics struct {
	ok      prometheus.Counter
	refused map[Reason]prometheus.Counter
	fetched prometheus.Counter
	failed  prometheus.Counter
	keys    prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_auth_requests_total", Help: "Requests whose bearer token was asked for, by what became of it."}, []string{"result"})
	fetches := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_auth_key_fetches_total", Help: "Readings of the keys that tokens are checked with."}, []string{"result"})
	m := &metrics{
		ok:      requests.WithLabelValues("ok"),
		refused: map[Reason]prometheus.Counter{},
		fetched: fetches.WithLabelValues("ok"),
		failed:  fetches.WithLabelValues("failed"),
		keys: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tenfold_auth_keys", Help: "Keys that tokens are checked with now."}),
	}
	for _, reason := range reasons {
		m.refused[reason] = requests.WithLabelValues(string(reason))
	}
	if r != nil {
		r.MustRegister(requests, fetches, m.keys)
	}
	return m
}

func (m *metrics) verified(refusal *Refusal) {
	if refusal == nil {
		m.ok.Inc()
		return
	}
	m.refused[refusal.Reason].Inc()
}

func (m *metrics) read(err error) {
	if err == nil {
		m.fetched.Inc()
		return
	}
	m.failed.Inc()
}
