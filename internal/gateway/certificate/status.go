package certificate

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Status is one certificate, or a name that has none yet.
type Status struct {
	Label   string // the path of the file, or the host of a route: a closed set
	Names   []string
	Source  string // file, local
	Begins  time.Time
	Expires time.Time // zero without a certificate
	Issuer  string
	Err     string // why there is no certificate, or no newer one
}

// The values of Status.Source.
const (
	fromFile  = "file"
	fromLocal = "local"
)

func (s *Set) status() (all []Status) {
	for _, p := range s.pairs {
		leaf := p.cert.Leaf
		all = append(all, Status{Label: p.files.Cert, Names: p.names(), Source: fromFile,
			Begins: leaf.NotBefore, Expires: leaf.NotAfter, Issuer: leaf.Issuer.String()})
	}
	if s.local != nil {
		begins, expires := s.local.Validity()
		all = append(all, Status{Label: s.local.RootFile(), Names: s.localNames, Source: fromLocal, Begins: begins, Expires: expires,
			Issuer: s.local.Name()})
	}
	return all
}

// Metrics are the metrics of certificates. Several gateways may share them.
type Metrics struct {
	expiry  *prometheus.GaugeVec   // by certificate and source
	reloads *prometheus.CounterVec // by result
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
	}
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("failed")
	if r != nil {
		r.MustRegister(m.expiry, m.reloads)
	}
	return m
}

// show replaces the certificates that are exported.
func (m *Metrics) show(all []Status) {
	m.expiry.Reset()
	for _, c := range all {
		if !c.Expires.IsZero() {
			m.expiry.WithLabelValues(c.Label, c.Source).Set(float64(c.Expires.Unix()))
		}
	}
}
