package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestUpPolicies runs two tenfolds, each with two nodes, on one store. They apply the policies of a route together.
func TestUpPolicies(t *testing.T) {
	dir := t.TempDir()
	journal := filepath.Join(dir, "journal")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "jwks.json"), fmt.Sprintf(`{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": %q}]}`,
		base64.RawURLEncoding.EncodeToString(public)))
	write(t, filepath.Join(dir, "tenfold.yaml"), `
store: redis://`+redistest.Start(t).Addr()+`
services: {app: {run: service, nodes: 2, env: {SERVICE_JOURNAL: `+journal+`}}}
jwt: {algorithms: EdDSA, keys: jwks.json, issuer: https://issuer.example/, audience: shop}
routes:
  - {path: /, to: app}
  - {path: /orders, to: app, idempotency: required}
  - {path: /page, to: app, auth: jwt}
  - {path: /small, to: app, rate_limit: {rate: 30/h, caller: all}}
`)
	fleets := []*running{}
	for range 2 {
		fleets = append(fleets, up(t, call{args: []string{"-f", "tenfold.yaml", "--access", "off"}, dir: dir}))
	}
	t.Run("one effect per key", func(t *testing.T) { oneEffect(t, fleets, journal) })
	t.Run("one limit", func(t *testing.T) { oneLimit(t, fleets) })
	t.Run("only with a token", func(t *testing.T) { onlyWithToken(t, fleets[0], private) })
	for _, x := range fleets {
		x.stop()
	}
}

// oneEffect sends each order many times at once, to both tenfolds.
func oneEffect(t *testing.T, fleets []*running, journal string) {
	const orders, copies = 20, 10
	var replayed, later atomic.Int64
	var all sync.WaitGroup
	for i := range orders * copies {
		all.Go(func() {
			order := fmt.Sprint(i / copies)
			for begun := time.Now(); time.Since(begun) < patience; {
				status, header := place(t, fleets[i%2].url+"/orders/"+order+"?ms=20", "order-"+order)
				switch {
				case status == http.StatusCreated && header.Get("Idempotency-Replayed") == "true":
					replayed.Add(1)
					return
				case status == http.StatusCreated:
					return
				case status == http.StatusConflict && header.Get("Retry-After") != "":
					later.Add(1)
					time.Sleep(50 * time.Millisecond) // as a client would
				default:
					t.Errorf("order %s: status %d", order, status)
					return
				}
			}
			t.Errorf("order %s had no result for %v", order, patience)
		})
	}
	all.Wait()
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	slices.Sort(lines)
	if done := slices.Compact(slices.Clone(lines)); len(done) != orders || len(lines) != orders {
		t.Errorf("%d effects of %d orders: %v", len(lines), len(done), lines)
	}
	figure(t, "one effect per key", "requests", orders*copies, "orders", orders, "effects", len(lines),
		"replayed", replayed.Load(), "told to come later", later.Load())
	for _, url := range []string{fleets[0].url, fleets[1].url} {
		if status, _ := place(t, url+"/orders/1?ms=21", "order-1"); status != http.StatusUnprocessableEntity {
			t.Errorf("another request under a used key: %d", status)
		}
		if status, _ := place(t, url+"/orders/99", ""); status != http.StatusBadRequest {
			t.Errorf("without a key: %d", status)
		}
		if status, _ := place(t, url+"/orders/99", strings.Repeat("k", 256)); status != http.StatusBadRequest {
			t.Errorf("a key of 256 bytes: %d", status)
		}
	}
	if again, _ := os.ReadFile(journal); len(again) != len(text) {
		t.Errorf("a refused request had an effect: %s", again[len(text):])
	}
}

// oneLimit checks that two gateways together admit as many requests as one may.
func oneLimit(t *testing.T, fleets []*running) {
	const rate = 30 // per hour: none is given back during the test
	admitted, refused := 0, 0
	for i := range 3 * rate {
		resp, err := http.Get(fleets[i%2].url + "/small")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusOK:
			admitted++
		case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "":
			refused++
		default:
			t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
		}
	}
	most := rate
	for _, x := range fleets {
		if x.metric(`tenfold_rate_limit_store_requests_total{result="failed"}`) > 0 {
			most = len(fleets) * rate // the machine is so busy that a gateway got no answer within 50ms and counted alone
		}
	}
	figure(t, "one limit", "limit", rate, "gateways", len(fleets), "admitted", admitted, "refused", refused, "at most", most)
	if admitted > most || admitted < rate/2 {
		t.Errorf("%d of %d were admitted", admitted, most)
	}
}

func onlyWithToken(t *testing.T, x *running, private ed25519.PrivateKey) {
	sign := func(kid, audience string, expires time.Duration, key ed25519.PrivateKey) string {
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
			"iss": "https://issuer.example/", "aud": audience, "sub": "ada", "exp": time.Now().Add(expires).Unix()})
		token.Header["kid"] = kid
		s, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, token string
		status      int
	}{
		{"good", sign("a", "shop", time.Hour, private), 200},
		{"none", "", 401},
		{"expired", sign("a", "shop", -time.Hour, private), 401},
		{"another audience", sign("a", "bank", time.Hour, private), 401},
		{"forged", sign("a", "shop", time.Hour, other), 401},
		{"unknown key", sign("b", "shop", time.Hour, private), 401},
	} {
		req, err := http.NewRequest("GET", x.url+"/page", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.token != "" {
			req.Header.Set("Authorization", "Bearer "+test.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.status || (resp.Header.Get("WWW-Authenticate") != "") != (test.status == 401) {
			t.Errorf("%s: status %d, %v", test.name, resp.StatusCode, resp.Header)
		}
		if fromNode := resp.Header.Get("Node") != ""; fromNode != (test.status == 200) {
			t.Errorf("%s: the request reached a node: %v", test.name, fromNode)
		}
	}
	if strings.Contains(x.stderr.String(), "eyJ") {
		t.Error("a token is in the log")
	}
}

// place sends a request with a key, or without one when key is "".
func place(t *testing.T, url, key string) (status int, header http.Header) {
	req, err := http.NewRequest("POST", url, nil)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}
