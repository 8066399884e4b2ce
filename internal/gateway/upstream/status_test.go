package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/sample"
)

func TestAwaitReadyFailsWithTheErrorOfTheLastProbe(t *testing.T) {
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	t.Cleanup(failing.Close)
	p := startPool(t, "", nil, failing.Listener.Addr().String())
	await(t, "the node was probed", func() bool { return p.lastProbe("shop-1") != "" })
	ctx, cancel := context.WithCancelCause(t.Context())
	timeout := errors.New("not ready in time")
	cancel(timeout)
	err := p.AwaitReady(ctx, "shop-1")
	if !errors.Is(err, timeout) || err.Error() != "not ready in time: last probe: probe answered 500" {
		t.Errorf("%v", err)
	}
}

func TestPreferredNodeGetsTheRequest(t *testing.T) {
	p := newPool(t, "", serve(t, respondWith("shop-1")), serve(t, respondWith("shop-2")), serve(t, respondWith("shop-3")))
	get := func(preferred string) (node, body string) {
		x := &exchange.Exchange{PreferredNode: preferred}
		req, _ := http.NewRequest("GET", "http://shop.example/", nil)
		resp, err := p.RoundTrip(x.Attach(req))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b := make([]byte, 6)
		resp.Body.Read(b)
		return x.Node, string(b)
	}
	for _, id := range []string{"shop-1", "shop-2", "shop-3"} {
		if got := p.NodeByToken(p.NodeToken(id)); got != id {
			t.Errorf("the token of %s belongs to %q", id, got)
		}
		for range 10 {
			if node, body := get(id); node != id || body != id {
				t.Fatalf("%s was preferred, %s got the request and %s responded", id, node, body)
			}
		}
	}
	p.Drain(t.Context(), "shop-2")
	if node, _ := get("shop-2"); node == "shop-2" {
		t.Error("a drained node got a request that prefers it")
	}
	if got := p.NodeByToken(p.NodeToken("shop-2")); got != "" {
		t.Errorf("the token of a drained node belongs to %q", got)
	}
}

func TestOnChangeReportsNewStates(t *testing.T) {
	var fails atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() {
			w.WriteHeader(500)
		}
	}))
	t.Cleanup(s.Close)
	changed := make(chan struct{}, 1)
	p := startPool(t, "probe: {interval: 20ms, timeout: 20ms, fall: 1}", &Options{OnChange: func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}}, s.Listener.Addr().String())
	awaitEvent := func(state string) {
		t.Helper()
		for timeout := time.After(10 * time.Second); ; {
			if nodes := p.Nodes(); len(nodes) == 1 && nodes[0].State.String() == state {
				return
			}
			select {
			case <-changed:
			case <-timeout:
				t.Fatalf("no change to %s was reported", state)
			}
		}
	}
	awaitEvent("ready")
	fails.Store(true)
	awaitEvent("starting")
	fails.Store(false)
	awaitEvent("ready")
	p.Drain(t.Context(), "shop-1")
	awaitEvent("draining")
}

func TestOnChangeReportsTheEndOfTheSlowStart(t *testing.T) {
	changed := make(chan struct{}, 100)
	p := startPool(t, "", &Options{OnChange: func() { changed <- struct{}{} }}, serve(t, respondWith("")))
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	m := p.members["shop-1"]
	configure(t, p, func(s *config.Service) { s.SlowStart = time.Minute })
	p.mu.Lock()
	m.warmFrom.Store(int64(sinceEpoch()))
	p.mu.Unlock()
	p.sampleNodes()
	for len(changed) > 0 {
		<-changed
	}
	m.warmFrom.Store(int64(sinceEpoch() - 2*time.Minute))
	p.sampleNodes()
	if len(changed) != 1 {
		t.Errorf("%d changes were reported, want 1", len(changed))
	}
}

// Every request is counted once as rejected, completed, failed or canceled, and a sample has the requests of its
// interval.
func TestSampleCountsRequests(t *testing.T) {
	gated, arrived, release := serveGated(t)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.WriteHeader(500)
		}
	})
	// Without Run, only the test takes samples.
	p := New(serviceOf(t, "limit: {in_flight: 1, queue: 1, wait: 10ms}", address, gated), nil)
	take := func() sample.Sample {
		p.takeSample(time.Now(), time.Second)
		return p.Sample()
	}
	if s := p.Sample(); s.Service != "shop" || s.Interval != 0 {
		t.Errorf("before the first sample: %+v", s)
	}
	send(t.Context(), p, "GET", "") // no node
	for _, m := range p.apply(setOf(address)) {
		p.nodeReady(m)
	}
	for range 3 {
		send(t.Context(), p, "GET", "")
	}
	send(t.Context(), p, "POST", "x") // status 500
	s := take()
	if want := (sample.Counts{Offered: 5, Accepted: 4, Rejected: 1, Completed: 3, Failed: 1}); s.Counts != want {
		t.Errorf("counts %+v, want %+v", s.Counts, want)
	}
	if n := s.Latency.Count(); n != 4 || s.InFlight != 0 || s.Eligible() != 1 {
		t.Errorf("%d latencies, %d in flight, %d nodes; want 4, 0, 1", n, s.InFlight, s.Eligible())
	}

	for _, m := range p.apply(setOf(address, gated)) {
		p.nodeReady(m)
	}
	p.apply(setOf("", gated)) // only the gated node is left
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		send(ctx, p, "GET", "")
		close(done)
	}()
	<-arrived
	send(t.Context(), p, "GET", "") // queue timeout
	s = take()
	if want := (sample.Counts{Offered: 2, Accepted: 1, Rejected: 1}); s.Counts != want {
		t.Errorf("counts %+v, want %+v", s.Counts, want)
	}
	if len(s.Nodes) != 1 || s.Nodes[0] != (sample.Node{ID: "shop-2", InFlight: 1, Eligible: true}) || s.InFlight != 1 {
		t.Errorf("nodes %+v, %d in flight", s.Nodes, s.InFlight)
	}
	cancel()
	<-done
	close(release)
	if want, s := (sample.Counts{Canceled: 1}), take(); s.Counts != want || s.InFlight != 0 {
		t.Errorf("counts %+v, want %+v; %d in flight", s.Counts, want, s.InFlight)
	}
}

func TestRunPublishesSamples(t *testing.T) {
	samples := make(chan sample.Sample, 10)
	p := startPool(t, "", &Options{OnSample: func(s sample.Sample) { samples <- s }}, serve(t, respondWith("")))
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	send(t.Context(), p, "GET", "")
	s := <-samples
	if s.Service != "shop" || s.Completed != 1 || s.Interval < sampleInterval/2 || s.Time.IsZero() || s.Eligible() != 1 {
		t.Errorf("%+v", s)
	}
	if got := p.Sample(); got.Time != s.Time {
		t.Errorf("Sample returns the sample of %v, want that of %v", got.Time, s.Time)
	}
}
