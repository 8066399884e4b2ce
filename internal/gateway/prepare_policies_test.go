package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
	"github.com/tenfold-go/tenfold/internal/gateway/upstream"
)

// The counts of a rate limit survive a change of other parts of the file. Another limit begins to count again.
func TestRateLimitsSurviveAChange(t *testing.T) {
	node, _ := counting(t)
	file := func(limit, more string) string {
		return more + "\nservices: {shop: {nodes: [\"" + node + "\"]}}\nroutes: [{path: /, to: shop, rate_limit: " + limit + "}]\n"
	}
	const limit = "{rate: 2/h, scope: gateway}"
	f := startFile(t, file(limit, ""))
	wantStatus := func(want int) {
		t.Helper()
		if resp, body := f.get(t, "/"); resp.StatusCode != want {
			t.Errorf("got %d %s, want %d", resp.StatusCode, body, want)
		}
	}
	wantStatus(200)
	wantStatus(200)
	f.change(t, file(limit, "drain: 10s"))
	wantStatus(429)
	f.change(t, file("{rate: 3/h, scope: gateway}", ""))
	wantStatus(200)
	if n := len(f.current.Load().policies.limiters); n != 1 {
		t.Errorf("%d limiters are kept, want 1", n)
	}
}

// Tokens stay valid over a change, also when the conditions change: no request waits for keys. Keys that cannot be read
// are a problem, and nothing changes.
func TestTokensSurviveAChange(t *testing.T) {
	node, _ := counting(t)
	key, other := newSigningKey(t, "a"), newSigningKey(t, "b")
	i, second := newIssuer(t), newIssuer(t)
	i.publish(key)
	f := startFile(t, authFile(i.URL, node))
	wantStatus := func(k signingKey, want int) {
		t.Helper()
		if resp, body := f.get(t, "/api", "Authorization", k.bearer(t, "shop", time.Hour)); resp.StatusCode != want {
			t.Errorf("got %d %s, want %d", resp.StatusCode, body, want)
		}
	}
	wantStatus(key, 200)
	verifier := f.current.Load().policies.verifier
	f.change(t, authFile(i.URL, node)+"drain: 10s\n")
	if f.current.Load().policies.verifier != verifier {
		t.Error("a change of another part of the file has replaced the verifier")
	}
	i.mu.Lock()
	i.status = http.StatusServiceUnavailable // the keys are taken over, and not read again
	i.mu.Unlock()
	f.change(t, strings.Replace(authFile(i.URL, node), "audience:", "leeway: 1s, audience:", 1))
	wantStatus(key, 200)
	if _, err := f.next(t, authFile(second.URL, node)); !errors.As(err, new(*jwt.KeysError)) {
		t.Errorf("keys that cannot be read: %v", err)
	}
	wantStatus(key, 200)
	second.publish(other)
	f.change(t, authFile(second.URL, node))
	wantStatus(other, 200)
	wantStatus(key, 401)
}

// Certificates for nodes that cannot be read are an error with the place in the file.
func TestPrepareNamesTheServiceOfABadCertificate(t *testing.T) {
	node, _ := counting(t)
	f := startFile(t, shopFile(node, ""))
	cfg := *f.current.Load().cfg
	cfg.Services = append(cfg.Services[:0:0], cfg.Services...)
	cfg.Services[0].TLS = &config.NodeTLS{CA: "/no/such/file", Verify: true}
	_, err := f.Prepare(t.Context(), &cfg)
	if e := (*upstream.TLSError)(nil); !errors.As(err, &e) || e.Path() != "services.shop.tls" {
		t.Errorf("got %v", err)
	}
}

// A service that leaves the configuration answers what has begun, and may come back at once as another one.
func TestServicesComeAndGo(t *testing.T) {
	first, arrived, release := slow(t)
	second := address(serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "second") }))
	other, _ := counting(t)
	f := startFile(t, shopFile(first, ""))
	ended := make(chan int, 1)
	go func() {
		resp, err := http.Get(f.url("/"))
		if err != nil {
			t.Error(err)
			ended <- 0
			return
		}
		resp.Body.Close()
		ended <- resp.StatusCode
	}()
	receive(t, "the request", arrived)
	gone := f.change(t, "services: {other: {nodes: [\""+other+"\"]}}\n")
	f.change(t, shopFile(second, "")).Finish()
	f.Update(setOf("shop", second))
	if err := f.AwaitReady(t.Context(), "shop", "shop-1"); err != nil {
		t.Fatal(err)
	}
	if _, body := f.get(t, "/"); body != "second" {
		t.Errorf("the service that came back answers %q", body)
	}
	drained := make(chan error, 1)
	go func() { drained <- f.Drain(t.Context(), "shop", "shop-1") }()
	close(release)
	if status := receive(t, "the response", ended); status != 200 {
		t.Errorf("the first request got %d", status)
	}
	if err := receive(t, "the drain", drained); err != nil {
		t.Error(err)
	}
	gone.Finish()
	await(t, "the pool of the old service has ended", func() bool {
		f.pools.mu.RLock()
		defer f.pools.mu.RUnlock()
		return len(f.pools.leaving) == 0
	})
}
