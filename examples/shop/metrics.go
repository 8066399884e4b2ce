package shop

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tenfold-go/tenfold/kit/cache"
)

// metrics are the metrics of GET /metrics. Routes are the patterns of the mux, so the labels are a closed set.
type metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	connections prometheus.Gauge
}

func newMetrics(caches map[string]func() cache.Stats) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by route and status code.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from the header of a request to the end of its response.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "active_connections", Help: "Open client connections, including idle ones.",
		}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.connections,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for name, stats := range caches {
		m.countCache(name, stats)
	}
	return m
}

// countCache exports where the reads of a cache were answered, and the results of its invalidations.
func (m *metrics) countCache(name string, stats func() cache.Stats) {
	count := func(metric, help string, labels prometheus.Labels, of func(cache.Stats) uint64) {
		labels["cache"] = name
		m.registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: metric, Help: help, ConstLabels: labels},
			func() float64 { return float64(of(stats())) }))
	}
	for from, of := range map[string]func(cache.Stats) uint64{
		"process":  func(s cache.Stats) uint64 { return s.HitsL1 },
		"twin":     func(s cache.Stats) uint64 { return s.Shared }, // another read of the same key at the same time
		"redis":    func(s cache.Stats) uint64 { return s.HitsL2 },
		"database": func(s cache.Stats) uint64 { return s.Misses + s.Bypassed },
	} {
		count("shop_cache_reads_total", "Reads through a cache, by what answered.", prometheus.Labels{"from": from}, of)
	}
	count("shop_cache_invalidations_total", "Invalidations made by this node.", prometheus.Labels{},
		func(s cache.Stats) uint64 { return s.Invalidations })
	count("shop_cache_unconfirmed_total", "Invalidations that may not have reached every node.", prometheus.Labels{},
		func(s cache.Stats) uint64 { return s.Unconfirmed })
	count("shop_cache_store_errors_total", "Calls of Redis that failed.", prometheus.Labels{},
		func(s cache.Stats) uint64 { return s.StoreErrors })
}

func (m *metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		route := r.Pattern // the mux has set it
		if route == "" {
			route = "none"
		}
		m.requests.WithLabelValues(route, strconv.Itoa(status.status)).Inc()
		m.duration.WithLabelValues(route).Observe(time.Since(start).Seconds())
	})
}

// countConnection is the ConnState callback of http.Server.
func (m *metrics) countConnection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		m.connections.Inc()
	case http.StateClosed, http.StateHijacked:
		m.connections.Dec()
	}
}

// statusWriter keeps the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
