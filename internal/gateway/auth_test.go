package gateway

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tenfold-go/tenfold/internal/config"
)

const testIssuer = "https://issuer.example/"

// issuer publishes a set of keys.
type issuer struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	keys   []string // as JSON
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{status: http.StatusServiceUnavailable}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		w.WriteHeader(i.status)
		fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(i.keys, ","))
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(keys ...signingKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.keys = http.StatusOK, nil
	for _, k := range keys {
		i.keys = append(i.keys, k.jwk())
	}
}

type signingKey struct {
	kid     string
	private ed25519.PrivateKey
}

func newSigningKey(t *testing.T, kid string) signingKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{kid, private}
}

func (k signingKey) jwk() string {
	x := base64.RawURLEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":%q,"x":%q}`, k.kid, x)
}

func (k signingKey) bearer(t *testing.T, audience string, expires time.Duration) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.RegisteredClaims{
		Issuer: testIssuer, Subject: "alice", Audience: jwt.ClaimStrings{audience},
		IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(time.Now().Add(expires)),
	})
	token.Header["kid"] = k.kid
	signed, err := token.SignedString(k.private)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + signed
}

func authFile(keys, node string) string {
	return fmt.Sprintf(`
jwt: {algorithms: EdDSA, keys: %q, issuer: %s, audience: shop, refresh: 1s, refetch: 1s}
services:
  shop: {nodes: [%q], slow_start: 0s}
routes:
  - {path: /, to: shop}
  - {path: /api, to: shop, auth: jwt}
`, keys, testIssuer, node)
}

// Auth follows an issuer that is down at the start, then publishes its keys, and then replaces them.
func TestAuthThroughTheGateway(t *testing.T) {
	node := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		io.WriteString(w, r.Header.Get("Authorization"))
	})
	i, a, b := newIssuer(t), newSigningKey(t, "a"), newSigningKey(t, "b")
	f := startFile(t, authFile(i.URL+"/jwks.json", address(node)))
	tokenA, tokenB := a.bearer(t, "shop", time.Hour), b.bearer(t, "shop", time.Hour)
	ask := func(token string) string {
		t.Helper()
		resp, body := f.get(t, "/api/orders", "Authorization", token)
		if resp.StatusCode == http.StatusOK {
			if body != token {
				t.Errorf("the node got %q", body)
			}
			return "ok"
		}
		return problemOf(t, resp, body)
	}

	if got := ask(tokenA); got != "token_no_keys" {
		t.Errorf("while the issuer is down: %s", got)
	}
	if resp, _ := f.get(t, "/page"); resp.StatusCode != http.StatusOK {
		t.Errorf("a route without auth: %d", resp.StatusCode)
	}
	i.publish(a)
	await(t, "the gateway has the keys", func() bool { return ask(tokenA) == "ok" })

	for name, c := range map[string]struct{ token, want string }{
		"expired":          {a.bearer(t, "shop", -time.Hour), "token_expired"},
		"another audience": {a.bearer(t, "mail", time.Hour), "token_foreign"},
		"a stranger":       {newSigningKey(t, "a").bearer(t, "shop", time.Hour), "token_signature"},
		"an unknown key":   {newSigningKey(t, "x").bearer(t, "shop", time.Hour), "token_signature"},
		"no token":         {"Basic YWxpY2U6c2VjcmV0", "token_missing"},
		"no JWT":           {"Bearer opaque", "token_malformed"},
	} {
		if got := ask(c.token); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	resp, body := f.get(t, "/api/orders?access_token="+strings.TrimPrefix(tokenA, "Bearer "))
	if got := problemOf(t, resp, body); got != "token_missing" || resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Bearer realm="api"` {
		t.Errorf("a token in the query: %d %s %q", resp.StatusCode, got, resp.Header.Get("WWW-Authenticate"))
	}
	resp, body = f.do(t, "POST", "/api/orders", strings.NewReader(strings.Repeat("x", 1<<20)), "Authorization", "Bearer opaque")
	if got := problemOf(t, resp, body); got != "token_malformed" {
		t.Errorf("a request with a body: %s", got)
	}
	if resp, _ := f.do(t, "OPTIONS", "/api/orders", nil, "Origin", "https://shop.example", "Access-Control-Request-Method", "PUT"); resp.StatusCode != 200 ||
		resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a preflight: %d %v", resp.StatusCode, resp.Header)
	}

	i.publish(a, b)
	await(t, "the gateway accepts the new key", func() bool { return ask(tokenB) == "ok" })
	i.publish(b)
	await(t, "the gateway does not accept the old key", func() bool { return ask(tokenA) == "token_signature" })
	if got := ask(tokenB); got != "ok" {
		t.Errorf("the new key: %s", got)
	}

	for _, token := range []string{tokenA, tokenB} {
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(f.access.text(), part) || strings.Contains(f.events.text(), part) {
				t.Errorf("a token is logged:\n%s%s", f.access.text(), f.events.text())
			}
		}
	}
	counted := f.counted(t)
	for _, name := range []string{"requests_total{result=ok}", "requests_total{result=expired}", "requests_total{result=foreign}", "requests_total{result=missing}",
		"requests_total{result=malformed}", "requests_total{result=signature}", "requests_total{result=no_keys}", "key_fetches_total{result=ok}",
		"key_fetches_total{result=failed}", "keys"} {
		if counted["tenfold_auth_"+name] < 1 {
			t.Errorf("tenfold_auth_%s is %v", name, counted["tenfold_auth_"+name])
		}
	}
}

// New reports a file of keys that cannot be used.
func TestAuthWithABadFileOfKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	for text, want := range map[string]string{
		`{"keys":[]}`: "has no keys",
		`{"keys":`:    "is not JSON",
		`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`: "is a private key or a shared secret",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse("test.yaml", []byte(authFile(file, "127.0.0.1:1")), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = New(cfg, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
