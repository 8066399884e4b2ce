package gateway

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/idempotent"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
)

// Metrics are the metrics of the gateway and of the parts that it is made of. Several gateways may share them, as
// during a reload: their numbers add up.
type Metrics struct {
	requests    *prometheus.CounterVec   // by service, method and code
	duration    *prometheus.HistogramVec // by service
	connections prometheus.Gauge         // open connections of clients

	connectionLimit    prometheus.Gauge   // the largest number of them; 0 for no limit
	connectionsWaited  prometheus.Counter // those that had to wait for the limit
	connectionsEvicted prometheus.Counter // idle ones that were closed for others
	connectionsRefused prometheus.Counter // above limits.connections_per_client

	pools *upstream.Metrics

	// The metrics of certificates and of a policy are made for the first configuration and the first route with them, so
	// that the output has no metrics without meaning.
	certificates func() *certificate.Metrics
	jwt          func() *jwt.Metrics
	rateLimit    func() *ratelimit.Metrics
	idempotent   func() *idempotent.Metrics
}

// NewMetrics returns the metrics of a registry. The names of the first three are the ones that dashboards expect. It
// panics when it is called twice for one registry. A nil registerer means that the metrics are not exported.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by service, method and status."},
			[]string{"service", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "From a request's header to the end of its response.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"service"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "active_connections", Help: "Open connections of clients."}),
		connectionLimit: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tenfold_connections_limit",
			Help: "The largest number of open connections of clients; 0 for no limit."}),
		connectionsWaited: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenfold_connections_waited_total",
			Help: "Connections of clients that had to wait because the limit was reached."}),
		connectionsEvicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenfold_connections_idle_closed_total",
			Help: "Idle connections of clients that were closed because the limit was reached."}),
		connectionsRefused: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenfold_connections_refused_total",
			Help: "Connections that were closed because their client had too many."}),
		pools:        upstream.NewMetrics(r),
		certificates: sync.OnceValue(func() *certificate.Metrics { return certificate.NewMetrics(r) }),
		jwt:          sync.OnceValue(func() *jwt.Metrics { return jwt.NewMetrics(r) }),
		rateLimit:    sync.OnceValue(func() *ratelimit.Metrics { return ratelimit.NewMetrics(r) }),
		idempotent:   sync.OnceValue(func() *idempotent.Metrics { return idempotent.NewMetrics(r) }),
	}
	if r != nil {
		r.MustRegister(m.requests, m.duration, m.connections, m.connectionLimit, m.connectionsWaited, m.connectionsEvicted,
			m.connectionsRefused)
	}
	return m
}

// requestCounter counts the requests of one gateway. It keeps the counters of the label values that it has seen,
// because a look-up costs more than the count.
type requestCounter struct {
	metrics  *Metrics
	services map[string]*serviceCounters // "" for requests without a route
}

type serviceCounters struct {
	duration prometheus.Observer
	requests [len(methods) + 1][600]atomic.Pointer[prometheus.Counter] // by method and status
}

// methods are the methods with their own label value. The others share "other": a client chooses the
// method, and the number of label values must be bounded.
var methods = [...]string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"}

// newRequestCounter returns the counter of a configuration. It takes over what the one before has; nil for none.
func newRequestCounter(m *Metrics, cfg *config.Config, old *requestCounter) *requestCounter {
	c := &requestCounter{metrics: m, services: map[string]*serviceCounters{}}
	c.take("", old)
	for _, s := range cfg.Services {
		c.take(s.Name, old)
	}
	return c
}

func (c *requestCounter) take(service string, old *requestCounter) {
	if old != nil && old.services[service] != nil {
		c.services[service] = old.services[service]
		return
	}
	c.services[service] = &serviceCounters{duration: c.metrics.duration.WithLabelValues(service)}
}

// count is a [policy.Observer].
func (c *requestCounter) count(r *http.Request, x *exchange.Exchange) {
	s := c.services[x.Service]
	s.duration.Observe(x.Took.Seconds())
	method := 0
	for method < len(methods) && methods[method] != r.Method {
		method++
	}
	status := min(max(x.Status, 0), 599)
	cached := &s.requests[method][status]
	counter := cached.Load()
	if counter == nil {
		name := "other"
		if method < len(methods) {
			name = methods[method]
		}
		created := c.metrics.requests.WithLabelValues(x.Service, name, strconv.Itoa(status))
		counter = &created
		cached.Store(counter)
	}
	(*counter).Inc()
}
