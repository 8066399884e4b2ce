package gateway

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// metrics are the gateway's counters. The names are the ones that dashboards expect.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	active   prometheus.Gauge
	services map[string]*serviceMetrics // "" for requests that no route matched
}

// serviceMetrics saves the hot path the look-up of label values.
type serviceMetrics struct {
	duration prometheus.Observer
	requests [len(methods) + 1][600]atomic.Pointer[prometheus.Counter]
}

var methods = [...]string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"}

func newMetrics(r prometheus.Registerer, cfg *config.Config) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by service, method and status."}, []string{"service", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "From a request's header to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"service"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "active_connections", Help: "Open connections from downstreams."}),
		services: make(map[string]*serviceMetrics),
	}
	m.services[""] = &serviceMetrics{duration: m.duration.WithLabelValues("")}
	for _, s := range cfg.Services {
		m.services[s.Name] = &serviceMetrics{duration: m.duration.WithLabelValues(s.Name)}
	}
	if r != nil {
		r.MustRegister(m.requests, m.duration, m.active)
	}
	return m
}

// count is told of every request that is over.
func (m *metrics) count(r *http.Request, x *exchange.Exchange) {
	s := m.services[x.Service]
	s.duration.Observe(x.Took.Seconds())
	method := 0
	for method < len(methods) && methods[method] != r.Method {
		method++
	}
	status := min(max(x.Status, 0), 599)
	cached := &s.requests[method][status]
	c := cached.Load()
	if c == nil {
		name := "other"
		if method < len(methods) {
			name = methods[method]
		}
		counter := m.requests.WithLabelValues(x.Service, name, strconv.Itoa(status))
		c = &counter
		cached.Store(c)
	}
	(*c).Inc()
}
