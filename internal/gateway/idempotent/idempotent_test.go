package idempotent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
)

// keyed is a route with idempotency under test, on a store in memory.
type keyed struct {
	t       testing.TB
	config  config.Idempotency
	service http.HandlerFunc // the service of the route
	served  atomic.Int64     // requests that the service got
	last    atomic.Pointer[exchange.Exchange]

	*Shared
	shop     config.Service
	store    *miniredis.Miniredis
	away     atomic.Bool // the store cannot be reached
	warnings bytes.Buffer
	registry *prometheus.Registry
}

const patience = time.Minute // longer than any step of a test takes

func newKeyed(t testing.TB, service http.HandlerFunc) *keyed {
	t.Helper()
	k := &keyed{t: t, service: service, store: miniredis.RunT(t), registry: prometheus.NewRegistry(), shop: config.Service{Name: "shop"}, config: config.Idempotency{
		Mode: "required", Caller: config.Caller{By: "authorization"}, TTL: time.Hour, BodyBytes: 1 << 10, AnswerBytes: 1 << 10}}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{k.store.Addr()}, DisableCache: true, DisableRetry: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	connect := func() (rueidis.Client, error) {
		if k.away.Load() {
			return nil, errors.New("the store cannot be reached")
		}
		return client, nil
	}
	k.Shared = New(connect, &Options{Metrics: NewMetrics(k.registry), StoreTimeout: patience,
		Log: slog.New(slog.NewTextHandler(&k.warnings, nil))})
	t.Cleanup(k.Kill)
	return k
}

// handler returns the route.
func (k *keyed) handler() http.Handler {
	end := func(_ *http.Request, rec *exchange.Exchange) { k.last.Store(rec) }
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.served.Add(1)
		k.service(w, r)
	})
	return policy.Chain(policy.Record(end), k.Policy(k.config, &k.shop))(service)
}

// do sends a request and returns the response.
func (k *keyed) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	k.handler().ServeHTTP(w, r)
	return w
}

func order(key, body string) *http.Request {
	r := httptest.NewRequest("POST", "/orders?b=2&a=1", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer ada")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return r
}

// expect sends a request, and checks the status of the response and how many requests the service has got so far.
func (k *keyed) expect(r *http.Request, status, served int) *httptest.ResponseRecorder {
	k.t.Helper()
	w := k.do(r)
	if w.Code != status {
		k.t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if n := k.served.Load(); n != int64(served) {
		k.t.Fatalf("the service got %d requests, want %d", n, served)
	}
	return w
}

// counts checks the metric.
func (k *keyed) counts(want map[string]int) {
	k.t.Helper()
	for _, result := range results {
		if got := counterValue(k.t, k.metrics.requests.WithLabelValues(result)); got != want[result] {
			k.t.Errorf("%s: counted %d, want %d", result, got, want[result])
		}
	}
}

func created(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "/orders/1")
	w.Header().Set("Content-Length", "2")
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, "ok")
}

// A repetition is not sent to the service. It gets the response of the first request, without the fields of one connection.
func TestRepetitionGetsTheSameResponse(t *testing.T) {
	body := "\x00\xff\r\n0\r\n\r\n"
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); string(got) != "{}" || r.ContentLength != 2 || err != nil {
			t.Errorf("the service read %q of %d, %v", got, r.ContentLength, err)
		}
		for _, name := range []string{"Date", "Set-Cookie", "Keep-Alive", "X-Two", "Etag"} {
			w.Header()[name] = []string{"1", "2"}
		}
		w.Header()["Content-Type"] = nil // as the proxy sets it when the node sent no type
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, body)
	})
	first := k.expect(order("key", "{}"), http.StatusAccepted, 1)
	if got := first.Header()["Set-Cookie"]; first.Body.String() != body || len(got) != 2 || first.Header()["Idempotency-Replayed"] != nil {
		t.Errorf("first response: %q %v", first.Body, first.Header())
	}
	for range 2 {
		again := k.expect(order("key", "{}"), http.StatusAccepted, 1)
		want := http.Header{"X-Two": {"1", "2"}, "Etag": {"1", "2"}, "Content-Type": nil, "Content-Length": {fmt.Sprint(len(body))},
			"Idempotency-Replayed": {"true"}}
		if fmt.Sprint(again.Header()) != fmt.Sprint(want) || again.Body.String() != body {
			t.Errorf("repetition: %q %v", again.Body, again.Header())
		}
		if rec := k.last.Load(); rec.Reason != "replayed" || rec.Status != http.StatusAccepted || rec.Bytes != int64(len(body)) {
			t.Errorf("record %+v", rec)
		}
	}
	k.counts(map[string]int{"recorded": 1, "replayed": 2})
}

// A malformed key is refused before anything else happens.
func TestMalformedKeys(t *testing.T) {
	long := strings.Repeat("k", 255)
	for name, c := range map[string]struct {
		keys   []string
		status int
		reason string
	}{
		"none":              {nil, 400, "key_missing"},
		"empty":             {[]string{""}, 400, "key_malformed"},
		"255 bytes":         {[]string{long}, 201, ""},
		"255 bytes, quoted": {[]string{`"` + long + `"`}, 201, ""},
		"256 bytes":         {[]string{long + "k"}, 400, "key_malformed"},
		"a megabyte":        {[]string{strings.Repeat("k", 1<<20)}, 400, "key_malformed"},
		"two":               {[]string{"a", "a"}, 400, "key_malformed"},
		"a list":            {[]string{"a, b"}, 400, "key_malformed"},
		"binary":            {[]string{"\xff\x00\x01"}, 400, "key_malformed"},
		"UTF-8":             {[]string{"schlüssel"}, 400, "key_malformed"},
		"half quoted":       {[]string{`"a`}, 400, "key_malformed"},
		"parameters":        {[]string{`"a";b=1`}, 400, "key_malformed"},
	} {
		for _, mode := range []config.Mode{config.KeyRequired, config.KeyOptional} {
			k := newKeyed(t, created)
			k.config.Mode = mode
			r := order("", "{}")
			r.Header["Idempotency-Key"] = c.keys
			status, reason, want := c.status, c.reason, map[string]int{"refused": 1}
			if mode == "optional" && c.keys == nil {
				status, reason, want = 201, "", map[string]int{"unkeyed": 1}
			} else if status == 201 {
				want = map[string]int{"recorded": 1}
			}
			w := k.do(r)
			if rec := k.last.Load(); w.Code != status || rec.Reason != reason {
				t.Errorf("%s, %s: %d, %q", name, mode, w.Code, rec.Reason)
			}
			if stored := len(k.store.Keys()) > 0; stored != (want["recorded"] > 0) || status == 400 && k.served.Load() > 0 {
				t.Errorf("%s, %s: stored %v, sent %d times", name, mode, stored, k.served.Load())
			}
			k.counts(want)
		}
	}
}

// A key is the same with and without quotes. A request is the same for any order of its query.
func TestSameRequest(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	same := order(`"key"`, "{}")
	same.URL.RawQuery = "a=1&b=2"
	same.Host = "another.example"
	same.Header.Set("User-Agent", "another")
	k.expect(same, 201, 1)
	for name, change := range map[string]func(r *http.Request){
		"method": func(r *http.Request) { r.Method = "PATCH" },
		"path":   func(r *http.Request) { r.URL.Path = "/payments" },
		"query":  func(r *http.Request) { r.URL.RawQuery = "a=1&b=3" },
		"type":   func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"body":   func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("[]")), 2 },
		"length": func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 },
	} {
		r := order("key", "{}")
		change(r)
		k.expect(r, http.StatusUnprocessableEntity, 1)
		if rec := k.last.Load(); rec.Reason != "key_reused" {
			t.Errorf("%s: %q", name, rec.Reason)
		}
	}
	k.counts(map[string]int{"recorded": 1, "replayed": 1, "mismatch": 6})
}

// A caller never gets the response of another caller or of another service.
func TestCallersHaveTheirOwnKeys(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	bob := order("key", "{}")
	bob.Header.Set("Authorization", "Bearer bob")
	k.expect(bob, 201, 2)
	anonymous := order("key", "{}")
	anonymous.Header.Del("Authorization")
	k.expect(anonymous, 201, 3)
	mail := policy.Chain(policy.Record(), k.Policy(k.config, &config.Service{Name: "mail"}))(http.HandlerFunc(created))
	w := httptest.NewRecorder()
	if mail.ServeHTTP(w, order("key", "{}")); w.Header().Get("Idempotency-Replayed") != "" {
		t.Error("the response of another service")
	}
	for _, key := range k.store.Keys() {
		if strings.Contains(key, "ada") || strings.Contains(key, "key") {
			t.Errorf("the store has %q", key)
		}
	}
}

// Requests with an idempotent method pass unchanged, with or without a key.
func TestOtherMethodsPass(t *testing.T) {
	for i, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "QUERY"} {
		k := newKeyed(t, created)
		for n, key := range []string{"", "key", "key", "\xff"} {
			r := order(key, "{}")
			r.Method = method
			if w := k.expect(r, 201, n+1); w.Header().Get("Idempotency-Replayed") != "" {
				t.Errorf("%s was replayed", method)
			}
		}
		if k.away.Store(true); len(k.store.Keys()) > 0 {
			t.Errorf("%d: %s stored %v", i, method, k.store.Keys())
		}
		k.counts(nil)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// aborts runs a function that must end with http.ErrAbortHandler.
func aborts(t testing.TB, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if err := recover(); err != http.ErrAbortHandler {
			t.Errorf("ended with %v", err)
		}
	}()
	f()
}

func TestGRPCIsRefusedWithAKey(t *testing.T) {
	const refused = "200, gRPC 12" // UNIMPLEMENTED
	for mode, want := range map[config.Mode][2]string{config.KeyRequired: {refused, refused}, config.KeyOptional: {"201, gRPC ", refused}} {
		k := newKeyed(t, created)
		k.config.Mode = mode
		for i, key := range []string{"", "key"} {
			r := order(key, "{}")
			r.ProtoMajor = 2
			r.Header.Set("Content-Type", "application/grpc+proto")
			w := k.do(r)
			if got := fmt.Sprintf("%d, gRPC %s", w.Code, w.Header().Get("Grpc-Status")); got != want[i] || len(k.store.Keys()) > 0 {
				t.Errorf("%s, key %q: %s, want %s", mode, key, got, want[i])
			}
		}
	}
}

func counterValue(t testing.TB, c prometheus.Counter) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return int(families[0].Metric[0].Counter.GetValue())
}

// The metric has all results from the start, and no others.
func TestResultsAreAClosedSet(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	families, err := k.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		if f.GetName() == "tenfold_idempotency_requests_total" {
			for _, m := range f.Metric {
				got = append(got, m.Label[0].GetValue())
			}
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(results)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
