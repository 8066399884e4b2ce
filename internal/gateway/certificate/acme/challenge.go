package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// lookupTimeout limits the search for a challenge of another gateway.
const lookupTimeout = 5 * time.Second

var errNoChallenge = errors.New("no challenge for this name")

// ServeChallenge answers the request of an authority that validates a name. It returns false, and has written nothing, for
// any other request.
func (m *Manager) ServeChallenge(w http.ResponseWriter, r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	s, done, ok := m.lookup(r.Context(), host)
	if !ok {
		return false
	}
	defer done()
	return s.acme.HandleHTTPChallenge(w, r)
}

// Challenge returns the certificate that answers a validation over TLS.
func (m *Manager) Challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s, done, ok := m.lookup(hello.Context(), hello.ServerName)
	if !ok {
		return nil, errNoChallenge
	}
	defer done()
	return s.config.GetCertificate(hello)
}

// lookup allows the search for the challenge of a name. Only names of routes have challenges. One of this gateway is in
// memory. One of another gateway is in the storage: at most maxLookups searches run at a time, for any number of requests.
func (m *Manager) lookup(ctx context.Context, name string) (s *solver, done func(), ok bool) {
	name = strings.ToLower(name)
	if s = m.solver.Load(); s == nil || !m.names()[name] {
		return nil, nil, false
	}
	if _, own := certmagic.GetACMEChallenge(name); own {
		return s, func() {}, true
	}
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	select {
	case m.lookups <- struct{}{}:
		return s, func() { <-m.lookups }, true
	case <-limited.Done():
		return nil, nil, false
	}
}
