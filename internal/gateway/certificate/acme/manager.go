// Package acme orders certificates from an authority (RFC 8555), renews them, and answers the challenges by which the
// authority validates their names. It uses certmagic.
//
// certmagic orders, stores and locks. The Manager decides when: each name has one goroutine, which looks at the stored
// certificate, has it ordered when it is missing or due, and waits longer after each failure. So the number of orders
// depends on the names of the routes only, never on what clients ask for.
package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

// Settings are what a Manager is made with. A change of them needs another Manager.
type Settings struct {
	config.ACME
	Directory string // where certificates are kept, or "" for Options.Shared
	// LocalCache is a directory with copies of certificates from Options.Shared, so that tenfold can start while that
	// storage is away; "" for none.
	LocalCache string
}

// Options configure a Manager. All fields but Shared are required.
type Options struct {
	Shared  certmagic.Storage
	Log     *slog.Logger
	Ordered func(ok bool)  // called after each order
	Changed func()         // called when Status returns something else
	Jitter  func() float64 // from 0 to 1: spreads renewals
}

// Manager has the certificates of names. Its methods are safe for concurrent use.
type Manager struct {
	settings Settings
	options  Options
	roots    *x509.CertPool

	certificates sync.Map      // *tls.Certificate by name
	wake         chan struct{} // capacity 1: the wanted names have changed
	lookups      chan struct{} // limits concurrent look-ups of challenges
	orders       chan struct{} // limits concurrent orders
	solver       atomic.Pointer[solver]
	plainHTTP    atomic.Bool // a listener speaks plain HTTP

	mu     sync.Mutex // guards what follows
	wanted map[string]bool
	status map[string]Status
}

// Status is what is known of one name.
type Status struct {
	Name    string
	Leaf    *x509.Certificate // nil without a certificate
	Err     error             // of the last attempt; nil when it succeeded
	RetryAt time.Time         // with Err
}

const (
	maxLookups = 8
	maxOrders  = 8
)

// New checks the settings and reads their files. It starts nothing.
func New(s Settings, o *Options) (*Manager, error) {
	m := &Manager{
		settings: s, options: *o, wake: make(chan struct{}, 1),
		lookups: make(chan struct{}, maxLookups), orders: make(chan struct{}, maxOrders),
		status: make(map[string]Status),
	}
	if s.CA != "" {
		pem, err := usertext.ReadFile(s.CA, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("tls.acme.ca: %w", err)
		}
		m.roots = x509.NewCertPool()
		if !m.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.acme.ca: %s has no certificate", s.CA)
		}
	}
	return m, nil
}

// Manage sets the names that have certificates.
func (m *Manager) Manage(names []string) {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[name] = true
	}
	m.mu.Lock()
	m.wanted = wanted
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default: // Run is going to look already
	}
}

func (m *Manager) names() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wanted // replaced when it changes, never modified
}

// ServesPlainHTTP says whether a listener speaks plain HTTP, so that the authority can validate names over it.
func (m *Manager) ServesPlainHTTP(yes bool) { m.plainHTTP.Store(yes) }

// Certificate returns the certificate of a name, or nil while it has none.
func (m *Manager) Certificate(name string) *tls.Certificate {
	c, _ := m.certificates.Load(name)
	cert, _ := c.(*tls.Certificate)
	return cert
}

// Status returns the state of all names, sorted.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Status, 0, len(m.wanted))
	for name := range m.wanted {
		s := m.status[name]
		s.Name = name
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Run orders and renews certificates until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	s, err := m.newSolver()
	if err != nil {
		m.options.Log.Error("certificates are not ordered", "err", err)
		return
	}
	defer s.close()
	m.solver.Store(s)
	defer m.solver.Store(nil)
	var running sync.WaitGroup
	defer running.Wait()
	stops := make(map[string]context.CancelFunc)
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	for {
		wanted := m.names()
		for name := range wanted {
			if stops[name] == nil {
				var one context.Context
				one, stops[name] = context.WithCancel(ctx)
				running.Go(func() { m.manage(one, s, name) })
			}
		}
		for name := range maps.Clone(stops) {
			if !wanted[name] {
				stops[name]()
				delete(stops, name)
				m.forget(name)
			}
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}

// solver is certmagic, set up for a Manager.
type solver struct {
	cache   *certmagic.Cache
	config  *certmagic.Config
	acme    *certmagic.ACMEIssuer
	busy    net.Listener
	refuser sync.WaitGroup // closes connections to busy
}

// newSolver sets certmagic up. certmagic opens a port for challenges unless another listener has it. The listeners of the
// gateway answer all challenges, so it gets an address that is always taken.
func (m *Manager) newSolver() (*solver, error) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	s := &solver{busy: busy}
	s.refuser.Go(func() { refuseAll(busy) })
	port := busy.Addr().(*net.TCPAddr).Port
	s.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return s.config, nil },
		RenewCheckInterval: 100 * 365 * 24 * time.Hour, // manage renews
		Logger:             zap.NewNop(),
	})
	storage := m.options.Shared
	if m.settings.Directory != "" {
		storage = &certmagic.FileStorage{Path: m.settings.Directory}
	}
	c := certmagic.Config{Storage: storage, DisableARI: true, Logger: zap.NewNop()}
	if m.settings.LocalCache != "" {
		c.LocalCache = &certmagic.FileStorage{Path: m.settings.LocalCache}
	}
	s.config = certmagic.New(s.cache, c)
	template := certmagic.ACMEIssuer{
		CA: m.settings.ACME.Directory, Email: m.settings.Email, Agreed: true, TrustedRoots: m.roots,
		ListenHost: "127.0.0.1", AltHTTPPort: port, AltTLSALPNPort: port,
		Logger: zap.NewNop(),
	}
	s.acme = certmagic.NewACMEIssuer(s.config, template)
	template.DisableHTTPChallenge = true
	s.config.Issuers = []certmagic.Issuer{&issuer{m, s.acme, certmagic.NewACMEIssuer(s.config, template)}}
	return s, nil
}

// refuseAll closes all connections to a listener, until it is closed.
func refuseAll(l net.Listener) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		nc.Close()
	}
}

func (s *solver) close() {
	s.cache.Stop()
	s.busy.Close()
	s.refuser.Wait()
}

// issuer is a certmagic.Issuer that counts orders and never prompts at a terminal. It uses the challenges that the listeners
// of the gateway can answer now.
type issuer struct {
	manager           *Manager
	anyhow, byTLSALPN *certmagic.ACMEIssuer
}

func (i *issuer) IssuerKey() string { return i.anyhow.IssuerKey() }

func (i *issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	acme := i.byTLSALPN
	if i.manager.plainHTTP.Load() {
		acme = i.anyhow
	}
	if err := acme.PreCheck(ctx, csr.DNSNames, false); err != nil {
		return nil, err
	}
	cert, err := acme.Issue(ctx, csr)
	i.manager.options.Ordered(err == nil)
	if a, _ := ctx.Value(attemptKey{}).(*attempt); a != nil {
		a.issued = a.issued || err == nil
	}
	return cert, err
}

// attempt is one try to get a certificate.
type attempt struct{ issued bool } // the authority has issued one

type attemptKey struct{}

// cheap reports whether the attempt, which has failed, cost the authority nothing: it was not reached, or the storage failed
// before it was asked. Such an attempt may be repeated soon.
func (a *attempt) cheap(err error) bool {
	return !a.issued && !strings.Contains(err.Error(), "urn:ietf:params:acme:error:")
}
