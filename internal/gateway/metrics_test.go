package gateway

import (
	"bufio"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// Two gateways can share one set of metrics, as during a reload: both serve, and their numbers add up.
func TestTwoGatewaysShareTheirMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics := NewMetrics(registry)
	i := newIssuer(t)
	i.publish(newSigningKey(t, "one"))
	yaml := authFile(i.URL, named(t, "shop")) + "  - {path: /limited, to: shop, rate_limit: 1/h}\n" +
		"  - {path: /keyed, to: shop, idempotency: required}\n"
	shared := sharedStore(t, redistest.Start(t).Addr())
	var both []*front
	for range 2 {
		f := startWith(t, yaml, Options{Metrics: metrics, Store: shared})
		f.metrics = registry
		both = append(both, f)
	}
	for i, f := range both {
		nc := dial(t, f.addr) // stays open
		br := bufio.NewReader(nc)
		for range i + 1 {
			io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			io.Copy(io.Discard, resp.Body)
		}
		f.get(t, "/limited")
		f.get(t, "/limited")
		f.get(t, "/api")
		f.do(t, "POST", "/keyed", nil)
	}
	await(t, "all requests are counted", func() bool {
		return both[0].counted(t)["http_request_duration_seconds{service=shop}"] == 11
	})
	all := both[0].counted(t)
	for name, want := range map[string]float64{
		"http_requests_total{code=200 method=GET service=shop}": 3 + 2,
		"http_requests_total{code=401 method=GET service=shop}": 2,
		"active_connections": 2 * (1 + 4), // the clients keep theirs open
		"tenfold_rate_limit_requests_total{result=refused}": 2,
		"tenfold_auth_requests_total{result=missing}":       2,
		"tenfold_upstream_in_flight{service=shop}":          0,
	} {
		if got, ok := all[name]; !ok || got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	both[0].kill()
	if resp, _ := both[1].get(t, "/p"); resp.StatusCode != 200 {
		t.Errorf("after the end of the first gateway: %d", resp.StatusCode)
	}
}
