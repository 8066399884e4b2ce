// Package certificate chooses the certificate of each TLS connection of the gateway.
//
// A [Source] lives as long as the gateway. Its TLS configuration, with the keys of session tickets, is shared by all
// engines and outlives every reload. What a reload changes is its [Set]: certificates of files, names that the local
// authority serves, and names that are ordered by ACME. A Set is immutable; a changed file makes a new one.
package certificate

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate/acme"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate/certstore"
)

// acmeProtocol is the protocol that an authority asks for when it validates a name over TLS (RFC 8737).
const acmeProtocol = "acme-tls/1"

// Options configure a Source. Zero fields mean their defaults.
type Options struct {
	Log *slog.Logger // default: discard
	// Metrics makes the metrics when there are certificates for the first time. Default: not exported.
	Metrics func() *Metrics
	// Store returns the client of the store, for certificates that gateways share. Default: no store.
	Store func() (rueidis.Client, error)
}

// Source has the certificates of the gateway. The order of calls is New, Use, Open, Run; Prepare and Use may follow at any
// time. Its methods are safe for concurrent use.
type Source struct {
	log     *slog.Logger
	metrics func() *Metrics
	config  *tls.Config
	current atomic.Pointer[Set]

	shared   *certstore.Storage
	previous atomic.Pointer[acme.Manager] // its certificates are used until the current manager has them
	wake     chan struct{}                // capacity 1: Run has another manager to run

	mu        sync.Mutex // guards what follows, and changes of current
	opened    bool       // Open was called: directories may be created
	plainHTTP bool

	warned map[string]time.Time // when the end of a certificate was last logged, by its label; used by Run only
}

// New returns a Source without certificates.
func New(o *Options) *Source {
	if o == nil {
		o = &Options{}
	}
	s := &Source{log: o.Log, metrics: o.Metrics, wake: make(chan struct{}, 1), warned: make(map[string]time.Time)}
	if o.Store != nil {
		s.shared = certstore.New(o.Store)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.metrics == nil {
		s.metrics = sync.OnceValue(func() *Metrics { return NewMetrics(nil) })
	}
	s.config = &tls.Config{
		GetCertificate: s.find,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1", acmeProtocol},
	}
	s.current.Store(&Set{})
	return s
}

// Config returns the configuration for servers. It is the same one for the life of the Source, so that sessions can be
// resumed after a reload. It must not be changed.
func (s *Source) Config() *tls.Config { return s.config }

// Prepare reads the certificates of a configuration. It changes nothing that serves: Use does.
func (s *Source) Prepare(cfg *config.Config) (*Set, error) {
	set, err := newSet(cfg)
	if err == nil {
		err = s.prepareOrders(set, cfg.TLS)
	}
	if err != nil {
		return nil, err
	}
	set.keepLocal(s.current.Load())
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	if opened {
		if err := set.open(s.log); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// Use makes the certificates of a set those of new connections.
func (s *Source) Use(set *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.use(set)
}

func (s *Source) use(set *Set) {
	old := s.current.Swap(set)
	if set.manager != nil {
		set.manager.ServesPlainHTTP(s.plainHTTP)
		set.manager.Manage(set.ordered)
	}
	if set.manager != old.manager {
		s.previous.Store(old.manager)
		select {
		case s.wake <- struct{}{}:
		default: // Run is going to look already
		}
	}
	if set.present || old.present {
		s.metrics().show(set.status())
	}
}

// Open creates the directories and the local authority that the set in use needs.
func (s *Source) Open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = true
	set := s.current.Load()
	err := set.open(s.log)
	s.use(set)
	return err
}

// Certificates describes the certificates in use.
func (s *Source) Certificates() []Status { return s.current.Load().status() }

// pollInterval is how often files are looked at.
const pollInterval = time.Second

// Run orders and renews certificates, reads files again when they change, and warns of certificates that end soon, until
// ctx ends.
func (s *Source) Run(ctx context.Context) {
	var ordering sync.WaitGroup
	defer ordering.Wait()
	ordering.Go(func() { s.runManagers(ctx) })
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	failing := make(map[config.KeyPair]string) // the error of the last look, by files
	for nextWarning := time.Now(); ; {
		if now := time.Now(); !now.Before(nextWarning) {
			s.warn(now)
			nextWarning = now.Add(time.Hour)
		}
		select {
		case <-tick.C:
			s.refresh(failing)
		case <-ctx.Done():
			return
		}
	}
}

// refresh looks at all files once. Files that cannot be used leave the certificate in place. They are logged at the second
// look, because a program may replace the certificate and the key one after the other.
func (s *Source) refresh(failing map[config.KeyPair]string) {
	before := s.current.Load()
	var pairs []*pair
	for i, old := range before.pairs {
		if !old.changed() {
			if _, failed := failing[old.files]; failed {
				s.log.Info("certificate files are as before", "cert", old.files.Cert)
				delete(failing, old.files)
			}
			continue
		}
		read, err := readPair(old.files)
		if err != nil {
			if last, again := failing[old.files]; again && last != "" {
				s.log.Warn("certificate files cannot be used: the certificate before stays", "cert", old.files.Cert, "err", err)
				s.metrics().reloads.WithLabelValues("failed").Inc()
				failing[old.files] = "" // logged
			} else if !again {
				failing[old.files] = err.Error()
			}
			continue
		}
		delete(failing, old.files)
		if pairs == nil {
			pairs = slices.Clone(before.pairs)
		}
		pairs[i] = read
		s.log.Info("certificate read again", "cert", old.files.Cert, "names", read.names(), "expires", read.cert.Leaf.NotAfter.UTC())
		s.metrics().reloads.WithLabelValues("ok").Inc()
	}
	if pairs == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Load() == before { // else a reload has read the files
		s.use(before.with(pairs))
	}
}

const (
	warnBefore   = 14 * 24 * time.Hour
	warnInterval = 24 * time.Hour
)

// warn logs the certificates that have ended or end soon, each once per day.
func (s *Source) warn(now time.Time) {
	all := s.Certificates()
	for label := range s.warned {
		if !slices.ContainsFunc(all, func(c Status) bool { return c.Label == label }) {
			delete(s.warned, label)
		}
	}
	for _, c := range all {
		left := c.Expires.Sub(now)
		if c.Expires.IsZero() || left > min(warnBefore, c.Expires.Sub(c.Begins)/6) || now.Sub(s.warned[c.Label]) < warnInterval {
			continue
		}
		s.warned[c.Label] = now
		message := "certificate expires soon"
		if left <= 0 {
			message = "certificate has expired"
		}
		s.log.Warn(message, "certificate", c.Label, "names", c.Names, "expires", c.Expires.UTC(), "source", c.Source)
	}
}
