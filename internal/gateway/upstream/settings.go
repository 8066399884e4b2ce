package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"reflect"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream/urlstatus"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// Settings are what a Pool works by: the configuration of its service, and the counts that belong to parts of it. They
// are immutable, except for the counts. Apply replaces them, and a request keeps those that it began with.
type Settings struct {
	service  config.Service
	routes   int                 // how many routes lead to the service
	breaker  *breaker.Breaker    // nil when switched off
	statuses *urlstatus.Failures // nil without a breaker
	budget   *breaker.RetryBudget
	tls      *tls.Config       // for nodes that speak TLS
	files    [sha256.Size]byte // what the files for tls had
	limits   client.Options    // of responses
	probes   map[int]probes    // of nodes of older versions, by version
}

// probes are how a node is checked.
type probes struct {
	readiness config.Probe
	liveness  *config.Probe // nil for none
}

// Prepare returns the settings for another configuration of the service. What does not depend on a change is taken over
// from the current settings. keepProbes says that nodes of the current versions are going to be replaced: they are
// probed as before. Prepare fails when a file for connections to nodes cannot be read.
func (p *Pool) Prepare(service config.Service, routes int, keepProbes bool) (*Settings, error) {
	old := p.settings.Load()
	s, err := newSettings(service, routes)
	if err != nil {
		return nil, err
	}
	if s.files == old.files && reflect.DeepEqual(s.service.TLS, old.service.TLS) {
		s.tls = old.tls // with its sessions
	}
	if s.budget = old.budget; service.Retry.Budget != old.service.Retry.Budget {
		s.budget = breaker.NewRetryBudget(service.Retry.Budget, nil)
	}
	if s.breaker, s.statuses = old.breaker, old.statuses; service.Breaker != old.service.Breaker {
		s.newBreaker(p)
	} else if s.statuses != nil && s.routes != old.routes {
		s.newStatuses()
	}
	s.probes = p.keptProbes(old, s, keepProbes)
	return s, nil
}

// newSettings returns the settings of a service without the parts that a pool shares with them.
func newSettings(service config.Service, routes int) (s *Settings, err error) {
	s = &Settings{service: service, routes: max(1, routes), limits: client.Options{
		MaxHeaderBytes: service.Response.HeaderBytes, MaxHeaderLines: service.Response.HeaderLines,
	}}
	if s.tls, err = service.TLS.Load(); err != nil {
		return nil, &TLSError{service.Name, err}
	}
	s.tls.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	if t := service.TLS; t != nil {
		hash := sha256.New()
		for _, name := range []string{t.CA, t.Cert, t.Key} {
			content, _ := os.ReadFile(name) // Load has read the same files
			fmt.Fprintf(hash, "%d:%s", len(content), content)
		}
		hash.Sum(s.files[:0])
	}
	return s, nil
}

// TLSError says that a file for TLS connections to nodes cannot be used.
type TLSError struct {
	Service string
	Err     error
}

func (e *TLSError) Error() string { return fmt.Sprintf("connections to nodes: %v", e.Err) }
func (e *TLSError) Unwrap() error { return e.Err }

// Path returns the path of the value in the file.
func (e *TLSError) Path() string { return "services." + e.Service + ".tls" }

// newBreaker makes the breaker of the settings for a pool.
func (s *Settings) newBreaker(p *Pool) {
	s.breaker, s.statuses = nil, nil
	if b := s.service.Breaker; !b.Off {
		s.breaker = breaker.New(&breaker.Options{
			FailureRate: b.FailureRate, MinCalls: b.MinRequests, Window: b.Window, Cooldown: b.Open, OnChange: p.breakerChanged,
		})
		s.newStatuses()
	}
}

func (s *Settings) newStatuses() {
	b := s.service.Breaker
	s.statuses = urlstatus.NewFailures(b.Window, b.FailureRate, s.routes, sinceEpoch())
}

// keptProbes returns the probes of the versions that the nodes have now, where they differ from the new ones.
func (p *Pool) keptProbes(old, new *Settings, keep bool) map[int]probes {
	same := reflect.DeepEqual(old.service.Probe, new.service.Probe) && reflect.DeepEqual(old.service.Liveness, new.service.Liveness)
	if !keep && !same {
		return nil
	}
	kept := make(map[int]probes)
	p.forEach(func(m *member) {
		version := m.Node().Version
		if was, ok := old.probes[version]; ok {
			kept[version] = was
		} else if keep && version > 0 {
			kept[version] = probes{old.service.Probe, old.service.Liveness}
		}
	})
	return kept
}

// probesOf returns how a node is checked.
func (s *Settings) probesOf(m *member) probes {
	if kept, ok := s.probes[m.Node().Version]; ok {
		return kept
	}
	return probes{s.service.Probe, s.service.Liveness}
}

// Apply makes the pool work by the settings from now on. Nodes keep their states, counts and connections. Connections
// that the new settings do not allow are closed when they are idle.
func (p *Pool) Apply(s *Settings) { p.replaced(p.settings.Swap(s), s) }

// applyOver is Apply, unless other settings than old are in use.
func (p *Pool) applyOver(old, s *Settings) bool {
	if !p.settings.CompareAndSwap(old, s) {
		return false
	}
	p.replaced(old, s)
	return true
}

// replaced tells the parts of the pool that s has replaced old.
func (p *Pool) replaced(old, s *Settings) {
	if s.tls == old.tls && s.routes == old.routes && reflect.DeepEqual(s.service, old.service) {
		return
	}
	renew := s.tls != old.tls || s.service.Response != old.service.Response
	p.forEach(func(m *member) {
		if renew {
			m.conns.renew()
		}
		if renew || s.service.IdleTimeout != old.service.IdleTimeout {
			m.grpc.renew(s.service)
		}
		if !reflect.DeepEqual(old.probesOf(m), s.probesOf(m)) {
			m.wakeProbe()
		}
	})
	select {
	case p.applied <- struct{}{}: // Run sets its timers
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rebuild() // the picker, and the requests that wait for a slot
}
