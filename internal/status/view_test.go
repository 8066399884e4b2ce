package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/gateway/affinity"
	"github.com/tenfold-go/tenfold/internal/gateway/certificate"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/internal/status"
)

// fakeFleet is a fleet whose state a test sets.
type fakeFleet struct {
	mu       sync.Mutex
	services []fleet.Status
	nodes    map[string][]node.Node
	changed  chan struct{}
}

func (f *fakeFleet) Services() []fleet.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.services
}

func (f *fakeFleet) Nodes(service string) []node.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[service]
}

func (f *fakeFleet) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeFleet) set(services ...fleet.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.services = services
	close(f.changed)
	f.changed = make(chan struct{})
}

// fakeGateway knows the nodes of each service. It does not change.
type fakeGateway map[string][]upstream.Status

func (g fakeGateway) Nodes(service string) []upstream.Status { return g[service] }

func (g fakeGateway) Changed() <-chan struct{} { return nil }

func (g fakeGateway) Certificates() []certificate.Status {
	return []certificate.Status{{Label: "/a.crt", File: "/a.crt", Names: []string{"a"}, Source: "file", Err: "old"}}
}

func (g fakeGateway) SessionsInNodes(service string) *affinity.Found {
	if service == "old" {
		return &affinity.Found{Cookie: "sid", Since: foundAt}
	}
	return nil
}

var foundAt = time.Now()

func (g fakeGateway) Breaker(service string) string {
	if _, ok := g[service]; ok {
		return "closed"
	}
	return ""
}

func TestServiceReadinessIsThatOfTheGateway(t *testing.T) {
	f := &fakeFleet{services: []fleet.Status{
		{Service: "shop", Kind: config.Owned, Min: 2, Max: 4, Wanted: 3, Running: 3, Ready: 3, CrashLoop: true, Restarts: 7,
			LastExit: &fleet.Exit{Node: "shop-2", Reason: "exit status 1", Output: []string{"no disk"}}},
		{Service: "mail", Kind: config.Owned, Worker: true, Wanted: 2, Running: 2, Ready: 1},
		{Service: "k8s", Kind: config.Remote, Wanted: 1},
		{Service: "old", Kind: config.Listed, Wanted: 1, Running: 1},
	}}
	g := fakeGateway{
		"shop": {{Node: node.Node{State: node.Ready}}, {Node: node.Node{State: node.Warming}}, {Node: node.Node{State: node.Starting}}},
		"old":  {{Node: node.Node{State: node.Draining}}},
	}
	got := status.New(&config.Config{}, f, g, nil).Services()
	want := []status.Service{
		{Name: "shop", Kind: "process", Min: 2, Max: 4, Wanted: 3, Running: 3, Ready: 2, CrashLoop: true, Restarts: 7, Breaker: "closed",
			LastExit: &status.LastExit{Node: "shop-2", Reason: "exit status 1", Output: []string{"no disk"}}},
		{Name: "mail", Kind: "worker", Wanted: 2, Running: 2, Ready: 1},
		{Name: "k8s", Kind: "remote", Wanted: 1},
		{Name: "old", Kind: "static", Wanted: 1, Running: 1, Breaker: "closed",
			TwoNodes: &status.TwoNodes{Cookie: "sid", Since: foundAt, Page: "docs/two-nodes.md"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCertificatesAreThoseOfTheGateway(t *testing.T) {
	got, err := json.Marshal(status.New(&config.Config{}, &fakeFleet{}, fakeGateway{}, nil).Certificates())
	if want := `[{"names":["a"],"source":"file","file":"/a.crt","error":"old"}]`; string(got) != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestNodesAreThoseOfTheFleetWithTheFiguresOfTheGateway(t *testing.T) {
	started := time.Now()
	f := &fakeFleet{services: []fleet.Status{{Service: "mail"}, {Service: "shop"}}, nodes: map[string][]node.Node{
		"shop": {
			{Service: "shop", ID: "shop-1", Address: "127.0.0.1:1", PID: 11, Started: started},
			{Service: "shop", ID: "shop-2", Address: "127.0.0.1:2", PID: 12},
		},
		"mail": {{Service: "mail", ID: "mail-1", State: node.Ready, PID: 13}},
	}}
	g := fakeGateway{"shop": {
		{Node: node.Node{ID: "shop-1", State: node.Warming}, Ejected: true, ProbeErr: errors.New("probe answered 503"),
			InFlight: 1, Requests: 20, Failures: 3, Latency: 1500 * time.Microsecond},
		{Node: node.Node{ID: "shop-0", State: node.Ready}}, // the fleet has removed it already
	}}
	cfg := &config.Config{Services: []config.Service{{Name: "shop"}, {Name: "mail"}}}
	got := status.New(cfg, f, g, nil).Nodes()
	want := []status.Node{
		{Service: "shop", ID: "shop-1", Address: "127.0.0.1:1", State: "warming", Ejected: true, ProbeErr: "probe answered 503",
			InFlight: 1, Requests: 20, Failures: 3, LatencyMS: 1.5, PID: 11, Started: started},
		{Service: "shop", ID: "shop-2", Address: "127.0.0.1:2", State: "starting", PID: 12},
		{Service: "mail", ID: "mail-1", State: "ready", PID: 13},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAwaitReadyReturnsWhenTheLastNodeIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFleet{changed: make(chan struct{})}
		f.set(fleet.Status{Service: "mail", Worker: true, Wanted: 2, Ready: 1})
		v := status.New(&config.Config{}, f, fakeGateway{}, nil)
		result := make(chan error, 1)
		go func() { result <- v.AwaitReady(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-result:
			t.Fatalf("returned %v with one of two nodes ready", err)
		default:
		}
		begun := time.Now()
		f.set(fleet.Status{Service: "mail", Worker: true, Wanted: 2, Ready: 2})
		if err := <-result; err != nil || time.Since(begun) > 0 {
			t.Errorf("returned %v %v after the change", err, time.Since(begun))
		}
	})
}

// changingGateway is a gateway with one service, whose state a test sets.
type changingGateway struct {
	fakeGateway
	mu      sync.Mutex
	state   node.State
	changed chan struct{}
}

func (g *changingGateway) Nodes(string) []upstream.Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return []upstream.Status{{Node: node.Node{State: g.state}}}
}

func (g *changingGateway) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

func (g *changingGateway) set(s node.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = s
	close(g.changed)
	g.changed = make(chan struct{})
}

func TestAwaitReadyReturnsWhenTheGatewayReportsTheLastNodeReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFleet{services: []fleet.Status{{Service: "shop", Kind: config.Owned, Wanted: 1}}}
		g := &changingGateway{state: node.Starting, changed: make(chan struct{})}
		result := make(chan error, 1)
		go func() { result <- status.New(&config.Config{}, f, g, nil).AwaitReady(t.Context()) }()
		synctest.Wait()
		begun := time.Now()
		g.set(node.Starting) // a change that does not matter
		synctest.Wait()
		if len(result) > 0 {
			t.Fatal("returned before the node was ready")
		}
		g.set(node.Ready)
		if err := <-result; err != nil || time.Since(begun) > 0 {
			t.Errorf("returned %v %v after the change", err, time.Since(begun))
		}
	})
}

func TestAwaitReadyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFleet{changed: make(chan struct{})}
		f.set(fleet.Status{Service: "mail", Worker: true, Wanted: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := status.New(&config.Config{}, f, fakeGateway{}, nil).AwaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("returned %v", err)
		}
	})
}

// The JSON of a route has its policies as fields.
func TestRouteInJSON(t *testing.T) {
	for want, r := range map[string]status.Route{
		`{"path":"/","to":"shop"}`:                                              {Path: "/", To: "shop"},
		`{"path":"/","to":"shop","auth":"jwt","rate_limit":"100/s"}`:            {Path: "/", To: "shop", Policies: map[string]string{"rate_limit": "100/s", "auth": "jwt"}},
		`{"host":"a.example","path":"/x","to":"shop","idempotency":"required"}`: {Host: "a.example", Path: "/x", To: "shop", Policies: map[string]string{"idempotency": "required"}},
	} {
		if got, err := json.Marshal(r); string(got) != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
