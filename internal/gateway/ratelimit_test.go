package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/internal/store"
)

// counting starts a node that counts its requests.
func counting(t testing.TB) (node string, got *atomic.Int64) {
	got = &atomic.Int64{}
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) { got.Add(1) })), got
}

// limitedFile returns a configuration with three routes to one node: two with the same limit, one without a limit.
func limitedFile(node, limit string) string {
	return fmt.Sprintf(`
services: {shop: {nodes: ["%s"]}}
routes:
  - {path: /login, to: shop, rate_limit: %s}
  - {path: /search, to: shop, rate_limit: %s}
  - {path: /, to: shop}
`, node, limit, limit)
}

// visit sends one request. It returns the response and its body.
func visit(t testing.TB, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// Each caller has its own limit on each route. Refused requests reach no node.
func TestRateLimitThroughTheGateway(t *testing.T) {
	node, got := counting(t)
	f := startFile(t, limitedFile(node, "{rate: 3/h, caller: header:X-Key, scope: gateway}"))
	records := 0
	for _, path := range []string{"/login", "/search"} { // each has its own count
		for _, key := range []string{"a", "b"} {
			for i := range 5 {
				want := http.StatusOK
				if i >= 3 {
					want = http.StatusTooManyRequests
				}
				resp, text := visit(t, f.url(path), strings.NewReader("body"), "X-Key", key)
				if records++; resp.StatusCode != want {
					t.Errorf("%s, caller %s, request %d: %d", path, key, i, resp.StatusCode)
				}
				h := resp.Header
				if resp.StatusCode == http.StatusOK {
					continue
				}
				if !strings.Contains(text, `"reason":"rate_limited"`) || h.Get("Content-Type") != "application/problem+json" || len(h.Get("Retry-After")) != 4 ||
					h.Get("RateLimit-Policy") != `"default";q=3;w=3600;tenfold-burst=3` || h.Get("RateLimit") != `"default";r=0;t=`+h.Get("Retry-After") {
					t.Errorf("%s: %v %s", path, h, text)
				}
			}
		}
	}
	if resp, _ := visit(t, f.url("/"), nil, "X-Key", "a"); resp.StatusCode != http.StatusOK {
		t.Errorf("a route without a limit: %d", resp.StatusCode)
	}
	if got.Load() != 13 {
		t.Errorf("%d requests reached the node, want 13", got.Load())
	}
	refused := 0
	for _, rec := range f.access.wait(t, records+1) {
		if rec["reason"] == "rate_limited" && rec["status"] == int64(429) {
			refused++
		}
	}
	m := f.counted(t)
	if refused != 8 || m["tenfold_rate_limit_requests_total{result=refused}"] != 8 || m["tenfold_rate_limit_requests_total{result=admitted}"] != 12 {
		t.Errorf("%d records of refusals, metrics %v", refused, m)
	}
}

// Two gateways with one store count together. On a busy machine, a gateway may give up on the store; it then counts
// alone, and its metrics say so.
func TestRateLimitOfTwoGateways(t *testing.T) {
	s, err := store.New("auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })

	node, got := counting(t)
	var gateways []*front
	for range 2 {
		f := startOn(t, s, limitedFile(node, "{rate: 7/h, caller: all}"))
		await(t, "the gateway counts with the other gateways", func() bool { return f.counted(t)["tenfold_rate_limit_store_up"] == 1 })
		gateways = append(gateways, f)
	}
	var all sync.WaitGroup
	for _, f := range gateways {
		for range 3 {
			all.Go(func() {
				for range 10 {
					visit(t, f.url("/login"), nil)
				}
			})
		}
	}
	all.Wait()
	failed := 0.0
	for _, f := range gateways {
		failed += f.counted(t)["tenfold_rate_limit_store_requests_total{result=failed}"]
	}
	switch n := got.Load(); {
	case failed == 0 && n != 7:
		t.Errorf("two gateways admitted %d requests together, want 7", n)
	case n > 14:
		t.Errorf("two gateways that count alone admitted %d requests, want at most 7 each", n)
	case failed > 0:
		t.Logf("the store was too slow %v times: %d requests admitted", failed, n)
	}
}
