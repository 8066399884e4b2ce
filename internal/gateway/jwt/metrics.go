package jwt

import "github.com/prometheus/client_golang/prometheus"

// Metrics count tokens and refreshes of the keys. Several Verifiers may share one, for example during a reload. The
// numbers of keys are then those of the last refresh of any of them.
type Metrics struct {
	accepted      prometheus.Counter
	refused       map[Reason]prometheus.Counter
	refreshed     prometheus.Counter
	refreshFailed prometheus.Counter
	keys          prometheus.Gauge
	ignoredKeys   prometheus.Gauge
}

// NewMetrics returns metrics that are registered at r, unless r is nil. Call it once per Registerer.
func NewMetrics(r prometheus.Registerer) *Metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_auth_requests_total", Help: "Requests that needed a bearer token, by result."}, []string{"result"})
	refreshes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tenfold_auth_key_fetches_total", Help: "Reads of the keys that verify tokens, by result."}, []string{"result"})
	m := &Metrics{
		accepted:      requests.WithLabelValues("ok"),
		refused:       map[Reason]prometheus.Counter{},
		refreshed:     refreshes.WithLabelValues("ok"),
		refreshFailed: refreshes.WithLabelValues("failed"),
		keys: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tenfold_auth_keys", Help: "Keys that verify tokens at present."}),
		ignoredKeys: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tenfold_auth_keys_ignored", Help: "Members of the set of keys that cannot be used."}),
	}
	for _, reason := range reasons {
		m.refused[reason] = requests.WithLabelValues(string(reason))
	}
	if r != nil {
		r.MustRegister(requests, refreshes, m.keys, m.ignoredKeys)
	}
	return m
}

func (m *Metrics) countToken(refusal *Refusal) {
	if refusal == nil {
		m.accepted.Inc()
		return
	}
	m.refused[refusal.Reason].Inc()
}

func (m *Metrics) countRefresh(err error) {
	if err == nil {
		m.refreshed.Inc()
		return
	}
	m.refreshFailed.Inc()
}
