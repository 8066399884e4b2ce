package idempotent

import "github.com/prometheus/client_golang/prometheus"

// results are all results of a request, by which it is counted.
var results = []string{
	"recorded",     // sent to the service, and the response is recorded
	"unkept",       // sent, but the response is too large to keep, or was cut off
	"freed",        // sent, and the claim is given up: a repetition is sent again
	"lost",         // sent, but the store did not accept the response
	"replayed",     // answered with a recorded response
	"unrepeatable", // a repetition of an unkept request
	"in_flight",    // 409
	"mismatch",     // 422
	"refused",      // another 4xx
	"unavailable",  // the store cannot be reached
	"overloaded",   // no memory for the body
	"unkeyed",      // without a key on a route where it is optional
}

// Metrics count the requests of all routes with idempotency. Several gateways may share them.
type Metrics struct {
	requests  *prometheus.CounterVec
	takeovers prometheus.Counter
}

// NewMetrics registers the metrics; nil registers nothing.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tenfold_idempotency_requests_total", Help: "Requests that may need an Idempotency-Key, by result."}, []string{"result"}),
		takeovers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenfold_idempotency_takeovers_total",
			Help: "Requests that were sent again because their gateway vanished: each may have had its effect twice."}),
	}
	for _, result := range results {
		m.requests.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.requests, m.takeovers)
	}
	return m
}

func (s *Shared) count(result string) { s.metrics.requests.WithLabelValues(result).Inc() }
