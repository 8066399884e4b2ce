package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// The metrics have the names that dashboards expect. A client cannot choose the value of a label.
func TestMetrics(t *testing.T) {
	release := make(chan bool)
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-release
		}
		w.WriteHeader(202)
	})))
	nc := dial(t, f.addr)
	br := bufio.NewReader(nc)
	for _, method := range []string{"GET", "GET", "HEAD", "POST", "BREW", "XXXX", "MKCOL"} {
		fmt.Fprintf(nc, "%s /p HTTP/1.1\r\nHost: %s.example\r\nContent-Length: 0\r\n\r\n", method, strings.ToLower(method))
		if resp, err := http.ReadResponse(br, &http.Request{Method: method}); err != nil || resp.StatusCode != 202 {
			t.Fatal(resp, err)
		}
	}
	io.WriteString(nc, "GET /../p HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	hold := dial(t, f.addr)
	io.WriteString(hold, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	await(t, "the node holds the request", func() bool { return f.InFlight("shop-1") == 1 })
	f.access.wait(t, 8)
	got := f.counted(t)
	for name, want := range map[string]float64{
		"http_requests_total{code=202 method=GET service=shop}":   2,
		"http_requests_total{code=202 method=HEAD service=shop}":  1,
		"http_requests_total{code=202 method=POST service=shop}":  1,
		"http_requests_total{code=202 method=other service=shop}": 3,
		"http_requests_total{code=400 method=GET service=}":       1,
		"http_request_duration_seconds{service=shop}":             7,
		"http_request_duration_seconds{service=}":                 1,
		"active_connections":                          2,
		"tenfold_upstream_in_flight{service=shop}":    1,
		"tenfold_upstream_nodes_usable{service=shop}": 1,
		"tenfold_upstream_queued{service=shop}":       0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "http_requests_total") && !slices.Contains([]string{"202", "400"}, name[len("http_requests_total{code="):][:3]) {
			t.Errorf("unexpected metric %s", name)
		}
	}
	close(release)
	nc.Close()
	hold.Close()
	await(t, "no connection is active", func() bool { return f.counted(t)["active_connections"] == 0 })
}

// An unknown status passes unchanged. Statuses above 599 are counted as 599.
func TestMetricsOfUnknownStatuses(t *testing.T) {
	f := start(t, "", "retry: off\noutlier: off", serveRaw(t, func(nc net.Conn, r *http.Request, _ *bufio.Reader) {
		fmt.Fprintf(nc, "HTTP/1.1 %s Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", r.URL.Path[1:])
	}))
	for status, want := range map[string]int{"599": 599, "299": 299, "600": 600, "999": 999} {
		resp, _ := f.get(t, "/"+status)
		if resp.StatusCode != want {
			t.Errorf("%s: got %d", status, resp.StatusCode)
		}
	}
	f.access.wait(t, 4)
	got := f.counted(t)
	if got["http_requests_total{code=299 method=GET service=shop}"] != 1 || got["http_requests_total{code=599 method=GET service=shop}"] != 3 {
		t.Errorf("counted %v", got)
	}
}

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
	const served = "http_requests_total{code=%d method=GET service=shop}"
	const limited = "tenfold_rate_limit_requests_total{result=%s}"
	admitted := all[fmt.Sprintf(limited, "admitted")] // 1 or 2: the gateways count alone until they have asked the store
	for name, want := range map[string]float64{
		fmt.Sprintf(served, 200):                             3 + admitted,
		fmt.Sprintf(served, 429):                             4 - admitted,
		fmt.Sprintf(served, 401):                             2,
		"active_connections":                                 2 * (1 + 4), // the clients keep theirs open
		fmt.Sprintf(limited, "refused"):                      4 - admitted,
		"tenfold_auth_requests_total{result=missing}":        2,
		"tenfold_idempotency_requests_total{result=refused}": 2,
		"tenfold_upstream_in_flight{service=shop}":           0,
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
