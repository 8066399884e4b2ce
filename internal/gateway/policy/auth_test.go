package policy

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/jwt"
)

// tokens is an issuer with the Verifier of its tokens.
type tokens struct {
	private  ed25519.PrivateKey
	cfg      config.JWT
	registry *prometheus.Registry
	*jwt.Verifier
}

func newTokens(t *testing.T) *tokens {
	t.Helper()
	i := &tokens{private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), registry: prometheus.NewRegistry()}
	file := filepath.Join(t.TempDir(), "jwks.json")
	x := base64.RawURLEncoding.EncodeToString(i.private.Public().(ed25519.PublicKey))
	if err := os.WriteFile(file, []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"`+x+`"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	i.cfg = config.JWT{Algorithms: []string{"EdDSA"}, Keys: file, Issuer: "https://issuer.example/", Audience: []string{"shop"}, Refresh: time.Hour, Refetch: time.Minute}
	var err error
	if i.Verifier, err = jwt.New(&i.cfg, &jwt.Options{Metrics: jwt.NewMetrics(i.registry)}); err != nil {
		t.Fatal(err)
	}
	return i
}

// token returns a valid token with changed claims. pairs are names and values; the value nil removes a claim.
func (i *tokens) token(t *testing.T, pairs ...any) string {
	t.Helper()
	claims := map[string]any{"iss": "https://issuer.example/", "aud": "shop", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for n := 0; n < len(pairs); n += 2 {
		if pairs[n+1] == nil {
			delete(claims, pairs[n].(string))
		} else {
			claims[pairs[n].(string)] = pairs[n+1]
		}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"EdDSA","kid":"1"}`)) + "." + b64(body)
	return signed + "." + b64(ed25519.Sign(i.private, []byte(signed)))
}

// results returns the counted requests by result.
func (i *tokens) results(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := i.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "tenfold_auth_requests_total" {
			for _, m := range f.Metric {
				all[m.Label[0].GetValue()] = m.Counter.GetValue()
			}
		}
	}
	return all
}

// Auth passes requests with a valid token, and answers the others with a challenge.
func TestAuth(t *testing.T) {
	i := newTokens(t)
	valid := i.token(t)
	forged := valid[:len(valid)-86] + strings.Repeat("A", 86)
	const challenge = `Bearer realm="api"`
	for _, c := range []struct {
		name      string
		fields    []string // of Authorization
		result    string   // the counted result
		challenge string   // "" if the request passes
	}{
		{"a token", []string{"Bearer " + valid}, "ok", ""},
		{"in lower case", []string{"bearer " + valid}, "ok", ""},
		{"in any case", []string{"bEaReR " + valid}, "ok", ""},
		{"with spaces", []string{"Bearer   " + valid}, "ok", ""},

		{"nothing", nil, "missing", challenge},
		{"empty", []string{""}, "missing", challenge},
		{"no token", []string{"Bearer"}, "missing", challenge},
		{"only spaces", []string{"Bearer  "}, "missing", challenge},
		{"another scheme", []string{"Basic YWxpY2U6c2VjcmV0"}, "missing", challenge},
		{"no scheme", []string{valid}, "missing", challenge},
		{"a longer scheme", []string{"Bearers " + valid}, "missing", challenge},
		{"a tab", []string{"Bearer\t" + valid}, "missing", challenge},
		{"Basic before it", []string{"Basic YWxpY2U6c2VjcmV0", "Bearer " + valid}, "missing", challenge},
		{"two tokens", []string{"Bearer " + valid, "Bearer " + valid}, "malformed", challenge + `, error="invalid_token", error_description="the token is malformed"`},
		{"two in one", []string{"Bearer " + valid + ", Bearer " + valid}, "malformed", challenge + `, error="invalid_token", error_description="the token is malformed"`},
		{"Basic after it", []string{"Bearer " + valid, "Basic YWxpY2U6c2VjcmV0"}, "malformed", challenge + `, error="invalid_token", error_description="the token is malformed"`},
		{"an empty field after it", []string{"Bearer " + valid, ""}, "malformed", challenge + `, error="invalid_token", error_description="the token is malformed"`},
		{"a parameter", []string{"Bearer " + valid + " x=y"}, "malformed", challenge + `, error="invalid_token", error_description="the token is malformed"`},
		{"HTML", []string{`Bearer "><script>`}, "malformed", challenge + `, error="invalid_token", error_description="the token is malformed"`},

		{"an invalid signature", []string{"Bearer " + forged}, "signature", challenge + `, error="invalid_token", error_description="the token's signature cannot be verified"`},
		{"expired", []string{"Bearer " + i.token(t, "exp", 1)}, "expired", challenge + `, error="invalid_token", error_description="the token has expired"`},
		{"nbf in the future", []string{"Bearer " + i.token(t, "nbf", 4102444800)}, "not_yet_valid", challenge + `, error="invalid_token", error_description="the token is not valid yet"`},
		{"another issuer", []string{"Bearer " + i.token(t, "iss", "x")}, "foreign", challenge + `, error="invalid_token", error_description="the token is not meant for this service"`},
		{"another audience", []string{"Bearer " + i.token(t, "aud", "x")}, "foreign", challenge + `, error="invalid_token", error_description="the token is not meant for this service"`},
	} {
		before := i.results(t)[c.result]
		var log bytes.Buffer
		passed := false
		h := Chain(Record(AccessLog(slog.New(slog.NewTextHandler(&log, nil)), config.Log{})), Auth(i.Verifier))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			if got := exchange.From(r).Subject; got != "https://issuer.example/\x00alice" {
				t.Errorf("%s: subject %q", c.name, got)
			}
			if got := r.Header["Authorization"]; len(got) != 1 || got[0] != c.fields[0] {
				t.Errorf("%s: the service got %q", c.name, got)
			}
		}))
		r := httptest.NewRequest("POST", "/?access_token="+valid, nil)
		r.Header["Authorization"] = c.fields
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := i.results(t)[c.result]; got != before+1 {
			t.Errorf("%s: not counted as %s", c.name, c.result)
		}
		if passed != (c.challenge == "") || w.Header().Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s: passed %v, challenge %q", c.name, passed, w.Header().Get("WWW-Authenticate"))
		}
		if !passed {
			wantProblem(t, c.name, w, 401, "token_"+c.result)
		}
		for part := range strings.FieldsFuncSeq(strings.Join(c.fields, "."), func(r rune) bool { return r == '.' || r == ' ' }) {
			if len(part) > 10 && (strings.Contains(log.String(), part) || strings.Contains(w.Body.String(), part)) {
				t.Errorf("%s: the log or the answer contains the token:\n%s%s", c.name, log.String(), w.Body)
			}
		}
	}
}

func wantProblem(t *testing.T, name string, w *httptest.ResponseRecorder, status int, reason string) {
	t.Helper()
	var p struct{ Reason, Detail string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" || p.Reason != reason || p.Detail == "" {
		t.Errorf("%s: %d %q, want %d with %s", name, w.Code, w.Body, status, reason)
	}
}

// Tokens without a subject are accepted, and each of them is a separate caller.
func TestAuthWithoutSubject(t *testing.T) {
	i := newTokens(t)
	var callers []string
	one, two := i.token(t, "sub", nil, "jti", "1"), i.token(t, "sub", nil, "jti", "2")
	for _, field := range []string{"Bearer " + one, "bearer " + one, "BEARER   " + one, "Bearer " + two} {
		h := Chain(Record(), Auth(i.Verifier))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			callers = append(callers, caller.Of(r, config.Caller{By: "authorization"}))
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", field)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(callers) != 4 || callers[0] != callers[1] || callers[0] != callers[2] || callers[0] == callers[3] {
		t.Errorf("callers %q", callers)
	}
}

// CORS preflights pass without a token. Similar requests do not.
func TestAuthPassesPreflights(t *testing.T) {
	i := newTokens(t)
	for _, c := range []struct {
		method, origin, requestMethod string
		want                          int
	}{
		{"OPTIONS", "https://shop.example", "PUT", 204},
		{"OPTIONS", "https://shop.example", "", 401},
		{"OPTIONS", "", "PUT", 401},
		{"GET", "https://shop.example", "PUT", 401},
		{"POST", "https://shop.example", "POST", 401},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		for name, value := range map[string]string{"Origin": c.origin, "Access-Control-Request-Method": c.requestMethod} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		Chain(Record(), Auth(i.Verifier))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if exchange.From(r).Subject != "" {
				t.Error("a preflight has a subject")
			}
			w.WriteHeader(204)
		})).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	if counted := i.results(t); counted["ok"] != 0 || counted["missing"] != 4 {
		t.Errorf("counted %v", counted)
	}
}

// down is a transport to an issuer that is down.
type down struct{}

func (down) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("issuer is down")
}

// Until the keys are read, Auth answers 503: it cannot tell valid tokens from others.
func TestAuthWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newTokens(t)
		i.cfg.Keys = "https://issuer.example/jwks.json"
		v, err := jwt.New(&i.cfg, &jwt.Options{Transport: down{}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+i.token(t))
		w := httptest.NewRecorder()
		Chain(Record(), Auth(v))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request passed") })).ServeHTTP(w, r)
		wantProblem(t, "no keys", w, 503, "token_no_keys")
		if w.Header().Get("Retry-After") != "5" || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("header %v", w.Header())
		}
	})
}
