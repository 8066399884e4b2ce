package upstream

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// configure applies a change of the configuration.
func configure(t testing.TB, p *Pool, change func(*config.Service)) {
	t.Helper()
	apply(t, p, false, change)
}

func apply(t testing.TB, p *Pool, keepProbes bool, change func(*config.Service)) {
	t.Helper()
	service := *p.config()
	change(&service)
	s, err := p.Prepare(service, 1, keepProbes)
	if err != nil {
		t.Fatal(err)
	}
	p.Apply(s)
}

// A change keeps connections, counts and the states of nodes.
func TestApplyKeepsNodes(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("a")))
	if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	m := p.members["shop-1"]
	m.conns.mu.Lock()
	idle := len(m.conns.idle)
	m.conns.mu.Unlock()
	configure(t, p, func(s *config.Service) {
		s.Limit.InFlight, s.Timeout, s.Balance.Picker = 3, time.Second, config.PickLeastConn
	})
	m.conns.mu.Lock()
	defer m.conns.mu.Unlock()
	if p.members["shop-1"] != m || m.requests.Load() != 1 || idle != 1 || len(m.conns.idle) != 1 || !m.eligible.Load() {
		t.Errorf("after the change: %d requests, %d of %d idle connections, eligible %v", m.requests.Load(), len(m.conns.idle), idle, m.eligible.Load())
	}
}

// The connections of a node are replaced when the limits of responses change, also those over HTTP/2.
func TestApplyRenewsConnections(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("a")))
	send(t.Context(), p, "GET", "")
	configure(t, p, func(s *config.Service) { s.Response.HeaderLines = 1 })
	if _, _, err := send(t.Context(), p, "GET", ""); err == nil {
		t.Error("a response above the new limit was passed on")
	}
	configure(t, p, func(s *config.Service) { s.Response.HeaderLines = 100 })
	if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
		t.Errorf("after the limit was raised: %d %v", status, err)
	}
}

// Requests in the queue get a slot as soon as the limit is raised. A request keeps its own timeout.
func TestApplyServesTheQueue(t *testing.T) {
	addr, arrived, release := serveGated(t)
	p := newPool(t, "limit: {in_flight: 1, queue: 10, wait: 1h}", addr)
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, _, err := send(t.Context(), p, "GET", "")
			results <- err
		}()
	}
	<-arrived
	await(t, "the second request waits", func() bool { return p.queue.waiting.Load() == 1 })
	configure(t, p, func(s *config.Service) { s.Limit.InFlight = 2 })
	<-arrived
	close(release)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// The state of the breaker survives a change of other settings.
func TestApplyKeepsTheBreaker(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("")))
	b := p.settings.Load().breaker
	configure(t, p, func(s *config.Service) { s.Timeout = time.Second })
	if p.settings.Load().breaker != b {
		t.Error("another timeout has replaced the breaker")
	}
	configure(t, p, func(s *config.Service) { s.Breaker.Off = true })
	if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil || p.Breaker() != breaker.Closed {
		t.Errorf("without a breaker: %d %v", status, err)
	}
	configure(t, p, func(s *config.Service) { s.Breaker.Off = false })
	if p.settings.Load().breaker == nil {
		t.Error("there is no breaker")
	}
}

// serveProbesAt starts a node whose probes succeed at one path, and which counts them.
func serveProbesAt(t *testing.T, path string, seen *atomic.Int64) string {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		if r.URL.Path != path {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(node.Close)
	return node.Listener.Addr().String()
}

// Another probe is sent at once. A node that passes it stays ready, one that does not goes down.
func TestApplyChangesTheProbe(t *testing.T) {
	var seen atomic.Int64
	p := newPool(t, "probe: {path: /ready, interval: 1h, fall: 1}", serveProbesAt(t, "/ready", &seen))
	before := seen.Load()
	configure(t, p, func(s *config.Service) { s.Timeout = time.Second })
	configure(t, p, func(s *config.Service) { s.Probe.Body = "" })
	if seen.Load() != before {
		t.Error("a change of other settings sends a probe")
	}
	configure(t, p, func(s *config.Service) { s.Probe.Path = "/other" })
	await(t, "the node is down", func() bool { return p.Nodes()[0].State == node.Starting })
	configure(t, p, func(s *config.Service) { s.Probe.Path = "/ready" })
	await(t, "the node is ready again", func() bool { return p.Nodes()[0].State == node.Ready })
}

// While nodes are replaced, the old ones are probed as before, and the new ones as the new version wants it.
func TestNodesKeepTheProbeOfTheirVersion(t *testing.T) {
	var seenOld, seenNew atomic.Int64
	old, fresh := serveProbesAt(t, "/old", &seenOld), serveProbesAt(t, "/new", &seenNew)
	p := startPool(t, "probe: {path: /old, interval: 10ms, fall: 1}", nil, old)
	set := func(nodes ...node.Node) { p.Update(node.Set{Service: "shop", Nodes: nodes}) }
	first := node.Node{ID: "shop-1", Service: "shop", Address: old, Version: 1}
	set(first)
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	apply(t, p, true, func(s *config.Service) { s.Probe.Path = "/new" })
	set(first, node.Node{ID: "shop-2", Service: "shop", Address: fresh, Version: 2})
	if err := p.AwaitReady(t.Context(), "shop-2"); err != nil {
		t.Fatal(err)
	}
	more := seenOld.Load() + 5
	await(t, "the old node is probed again", func() bool { return seenOld.Load() > more })
	for _, n := range p.Nodes() {
		if n.State != node.Ready {
			t.Errorf("%s is %v: %v", n.ID, n.State, n.ProbeErr)
		}
	}
	// A later change that does not concern the probe keeps this.
	configure(t, p, func(s *config.Service) { s.Timeout = time.Second })
	more = seenOld.Load() + 5
	await(t, "the old node is probed again", func() bool { return seenOld.Load() > more })
	if n := p.Nodes()[0]; n.State != node.Ready {
		t.Errorf("%s is %v: %v", n.ID, n.State, n.ProbeErr)
	}
}

// Certificates that cannot be read leave the pool as it is.
func TestPrepareFailsWithoutCertificates(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("")))
	service := *p.config()
	service.TLS = &config.NodeTLS{CA: "/no/such/file", Verify: true}
	s, err := p.Prepare(service, 1, false)
	if e, ok := err.(*TLSError); !ok || e.Path() != "services.shop.tls" || s != nil {
		t.Errorf("got %v, %v", s, err)
	}
}
