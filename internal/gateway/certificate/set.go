package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate/acme"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate/localca"
)

// Set is the certificates of one configuration. It is immutable.
type Set struct {
	present  bool                          // the configuration has certificates
	pairs    []*pair                       // in the order of the file
	exact    map[string][]*tls.Certificate // by name or IP address
	wildcard map[string][]*tls.Certificate // by the part behind "*."

	local      *localca.Authority // nil for none
	localNames []string           // names, wildcards and addresses
	announced  bool               // the log has said how to trust the root for these names

	manager  *acme.Manager   // nil for none
	settings acme.Settings   // of the manager
	ordered  []string        // the names that the manager has ordered, or will order
	orders   map[string]bool // the same names
	issued   func(name string) *tls.Certificate
}

// newSet reads the files of a configuration, and nothing else.
func newSet(cfg *config.Config) (*Set, error) {
	s := &Set{}
	if cfg.TLS == nil {
		return s, nil
	}
	s.present = true
	for _, files := range cfg.TLS.Pairs() {
		p, err := readPair(files)
		if err != nil {
			return nil, fmt.Errorf("load certificate %q: %w", files.Cert, err)
		}
		s.pairs = append(s.pairs, p)
	}
	s.index()
	names := cfg.CertificateNames()
	if cfg.TLS.Auto == config.AutoOn {
		s.ordered, s.orders = s.uncovered(names.Public), make(map[string]bool)
		for _, name := range s.ordered {
			s.orders[name] = true
		}
	}
	if cfg.TLS.Auto != config.AutoOff {
		s.localNames = s.uncovered(names.Local)
	}
	if cfg.TLS.Auto == config.AutoLocal && len(s.localNames) == 0 {
		s.localNames = []string{"localhost", "*.localhost", "127.0.0.1", "::1"}
	}
	if len(s.localNames) > 0 {
		dir, err := directory(cfg.TLS, localDirectory)
		if err != nil {
			return nil, err
		}
		s.local = localca.New(dir)
	}
	return s, nil
}

// with returns the set with other certificates of the same files.
func (s *Set) with(pairs []*pair) *Set {
	next := *s
	next.pairs = pairs
	next.index()
	return &next
}

func (s *Set) index() {
	s.exact, s.wildcard = make(map[string][]*tls.Certificate), make(map[string][]*tls.Certificate)
	for _, p := range s.pairs {
		for _, name := range p.names() {
			if rest, isWildcard := strings.CutPrefix(name, "*."); isWildcard {
				s.wildcard[rest] = append(s.wildcard[rest], p.cert)
			} else {
				s.exact[name] = append(s.exact[name], p.cert)
			}
		}
	}
}

// uncovered returns the names for which no file has a certificate.
func (s *Set) uncovered(names []string) (all []string) {
	for _, name := range names {
		rest, isWildcard := strings.CutPrefix(name, "*.")
		_, parent, _ := strings.Cut(name, ".")
		switch {
		case isWildcard && s.wildcard[rest] != nil:
		case s.exact[name] != nil || !isWildcard && s.wildcard[parent] != nil:
		default:
			all = append(all, name)
		}
	}
	return all
}

// keepLocal takes over the local authority of the set before, if it is in the same directory.
func (s *Set) keepLocal(old *Set) {
	if s.local != nil && old.local != nil && s.local.RootFile() == old.local.RootFile() {
		s.local, s.announced = old.local, slices.Equal(s.localNames, old.localNames)
	}
}

// open creates what the set needs outside of memory.
func (s *Set) open(log *slog.Logger) error {
	if s.settings.Directory != "" {
		if err := os.MkdirAll(s.settings.Directory, 0o700); err != nil {
			return &StorageError{err}
		}
	}
	if s.local == nil {
		return nil
	}
	if err := s.local.Open(); err != nil {
		return &StorageError{err}
	}
	if s.announced {
		return nil
	}
	log.Info("local certificates: clients accept them when they trust the root", "names", s.localNames, "root", s.local.RootFile(),
		"trust", localca.TrustCommand(s.local.RootFile()), "try", "curl --cacert "+s.local.RootFile())
	return nil
}

// find returns the certificate for a handshake. Without one, it returns nil: the client gets the alert unrecognized_name.
func (s *Source) find(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	set := s.current.Load()
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmeProtocol {
		if set.manager == nil {
			return nil, nil
		}
		return set.manager.Challenge(hello)
	}
	return set.find(hello)
}

func (s *Set) find(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if name == "" {
		name = localAddress(hello.Conn)
	}
	if all := s.exact[name]; all != nil {
		return supported(hello, all), nil
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if all := s.wildcard[parent]; all != nil {
			return supported(hello, all), nil
		}
	}
	if s.orders[name] {
		return s.issued(name), nil
	}
	if s.servesLocally(name) {
		return s.local.Certificate(name)
	}
	if len(s.pairs) > 0 {
		return s.pairs[0].cert, nil
	}
	if hello.ServerName != "" {
		return nil, nil
	}
	if s.local != nil {
		return s.local.Certificate("localhost")
	}
	for _, name := range s.ordered { // for a client that names no host, such as a health check
		if c := s.issued(name); c != nil {
			return c, nil
		}
	}
	return nil, nil
}

// supported returns the first certificate that the client can use, for example the one with an RSA key of two for one name.
func supported(hello *tls.ClientHelloInfo, all []*tls.Certificate) *tls.Certificate {
	if len(all) > 1 {
		for _, c := range all {
			if hello.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return all[0]
}

// servesLocally reports whether the local authority makes certificates for a name.
func (s *Set) servesLocally(name string) bool {
	if s.local == nil || name == "" {
		return false
	}
	_, parent, _ := strings.Cut(name, ".")
	return slices.Contains(s.localNames, name) || slices.Contains(s.localNames, "*."+parent) && config.IsLocalName(name)
}

// localAddress returns the IP address that the client has connected to, or "".
func localAddress(nc net.Conn) string {
	if nc == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(nc.LocalAddr().String())
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().WithZone("").String()
}
