package certificate

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Status is one certificate, or a name that has none yet.
type Status struct {
	Label   string // the path of the file, or the host of a route: a closed set
	File    string // of a certificate from a file; for the local authority, its root
	Names   []string
	Source  string // file, acme, local
	Begins  time.Time
	Expires time.Time // zero without a certificate
	Issuer  string
	Err     string    // why there is no certificate, or no newer one
	RetryAt time.Time // with Err: when the next one is ordered
}

// The values of Status.Source.
const (
	fromFile  = "file"
	fromACME  = "acme"
	fromLocal = "local"
)

func (s *Set) status() (all []Status) {
	for _, p := range s.pairs {
		leaf := p.cert.Leaf
		all = append(all, Status{Label: p.files.Cert, File: p.files.Cert, Names: p.names(), Source: fromFile,
			Begins: leaf.NotBefore, Expires: leaf.NotAfter, Issuer: leaf.Issuer.String()})
	}
	if s.manager != nil {
		for _, n := range s.manager.Status() {
			one := Status{Label: n.Name, Names: []string{n.Name}, Source: fromACME, RetryAt: n.RetryAt}
			if n.Leaf != nil {
				one.Begins, one.Expires, one.Issuer = n.Leaf.NotBefore, n.Leaf.NotAfter, n.Leaf.Issuer.String()
			}
			if n.Err != nil {
				one.Err = n.Err.Error()
			}
			all = append(all, one)
		}
	}
	if s.local != nil {
		begins, expires := s.local.Validity()
		all = append(all, Status{Label: s.local.RootFile(), File: s.local.RootFile(), Names: s.localNames, Source: fromLocal, Begins: begins, Expires: expires,
			Issuer: s.local.Name()})
	}
	return all
}

// Metrics are the metrics of certificates. Several gateways may share them.
type Metrics struct {
	expiry  *prometheus.GaugeVec   // by certificate and source
	reloads *prometheus.CounterVec // by result
	orders  *prometheus.CounterVec // by result

	mu    sync.Mutex
	shown map[[2]string]bool // the labels of expiry
}

// NewMetrics returns the metrics of a registry. It panics when it is called twice for one registry. A nil registerer means
// that the metrics are not exported.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenfold_certificate_expiry_timestamp_seconds",
			Help: "When a certificate expires, in seconds since 1970. The label certificate is its file, or the host of a route."},
			[]string{"certificate", "source"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenfold_certificate_reloads_total",
			Help: "Changed certificate files that were read, by result."}, []string{"result"}),
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenfold_certificate_orders_total",
			Help: "Orders of certificates from an authority, renewals included, by result."}, []string{"result"}),
	}
	for _, result := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(result)
		m.orders.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.expiry, m.reloads, m.orders)
	}
	return m
}

// show makes the certificates those that are exported.
func (m *Metrics) show(all []Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	shown := make(map[[2]string]bool)
	for _, c := range all {
		if !c.Expires.IsZero() {
			m.expiry.WithLabelValues(c.Label, c.Source).Set(float64(c.Expires.Unix()))
			shown[[2]string{c.Label, c.Source}] = true
		}
	}
	for labels := range m.shown {
		if !shown[labels] {
			m.expiry.DeleteLabelValues(labels[0], labels[1])
		}
	}
	m.shown = shown
}
