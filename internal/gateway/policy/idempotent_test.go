package policy

import (
	"bytes"
	"context"
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
	"testing/iotest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/claim"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// keyed is a route with idempotency, on a store in memory, under test.
type keyed struct {
	t       testing.TB
	config  config.Idempotency
	service http.HandlerFunc // what the route leads to
	served  atomic.Int64     // how often it was asked
	last    atomic.Pointer[exchange.Exchange]

	*Idempotency
	shop     config.Service
	store    *miniredis.Miniredis
	away     atomic.Bool // the store is
	warnings bytes.Buffer
	metrics  *prometheus.Registry
}

const patience = time.Minute // far more than anything takes

func newKeyed(t testing.TB, service http.HandlerFunc) *keyed {
	t.Helper()
	k := &keyed{t: t, service: service, store: miniredis.RunT(t), metrics: prometheus.NewRegistry(), shop: config.Service{Name: "shop"}, config: config.Idempotency{
		Mode: "required", Caller: config.Caller{By: "authorization"}, TTL: time.Hour, BodyBytes: 1 << 10, AnswerBytes: 1 << 10}}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{k.store.Addr()}, DisableCache: true, DisableRetry: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	connect := func() (rueidis.Client, error) {
		if k.away.Load() {
			return nil, errors.New("the store is away")
		}
		return client, nil
	}
	k.Idempotency = NewIdempotency(claim.New(connect, &claim.Options{Timeout: patience}),
		&IdempotencyOptions{Metrics: k.metrics, Log: slog.New(slog.NewTextHandler(&k.warnings, nil))})
	t.Cleanup(k.Cut)
	return k
}

// handler is the route.
func (k *keyed) handler() http.Handler {
	end := func(_ *http.Request, rec *exchange.Exchange) { k.last.Store(rec) }
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.served.Add(1)
		k.service(w, r)
	})
	return Chain(Record(end), k.Policy(k.config, &k.shop))(service)
}

// do sends a request and returns its answer.
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

// expect sends a request and checks the status of its answer, and how often the service has been asked since the beginning.
func (k *keyed) expect(r *http.Request, status, served int) *httptest.ResponseRecorder {
	k.t.Helper()
	w := k.do(r)
	if w.Code != status {
		k.t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if n := k.served.Load(); n != int64(served) {
		k.t.Fatalf("the service was asked %d times, want %d", n, served)
	}
	return w
}

// counts checks the metric.
func (k *keyed) counts(want map[string]int) {
	k.t.Helper()
	for _, result := range results {
		if got := counterValue(k.t, k.requests.WithLabelValues(result)); got != want[result] {
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

// A repetition is not sent to the service, and gets what the first request got, but for what belongs to that answer alone.
func TestRepetitionGetsTheSameAnswer(t *testing.T) {
	body := "\x00\xff\r\n0\r\n\r\n"
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); string(got) != "{}" || r.ContentLength != 2 || err != nil {
			t.Errorf("the service read %q of %d, %v", got, r.ContentLength, err)
		}
		for _, name := range []string{"Date", "Set-Cookie", "Keep-Alive", "X-Two", "Etag"} {
			w.Header()[name] = []string{"1", "2"}
		}
		w.Header()["Content-Type"] = nil // as the proxy has it when the node sent none
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, body)
	})
	first := k.expect(order("key", "{}"), http.StatusAccepted, 1)
	if got := first.Header()["Set-Cookie"]; first.Body.String() != body || len(got) != 2 || first.Header()["Idempotency-Replayed"] != nil {
		t.Errorf("first answer: %q %v", first.Body, first.Header())
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

// What is recorded is what package idempotency records.
func TestStatusesThatAreKept(t *testing.T) {
	for status, kept := range map[int]bool{
		200: true, 201: true, 202: true, 204: true, 205: true, 226: true, 299: true, 301: true, 303: true, 304: true, 307: true,
		400: true, 402: true, 404: true, 405: true, 410: true, 412: true, 413: true, 415: true, 422: true, 451: true,
		401: false, 403: false, 408: false, 409: false, 423: false, 425: false, 429: false,
		500: false, 501: false, 502: false, 503: false, 504: false, 507: false,
	} {
		for _, body := range []string{"", "sized", "unsized"} {
			if body != "" && !hasBody(status) {
				continue
			}
			k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
				if body == "sized" || body == "" && hasBody(status) {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
			first := k.expect(order("key", ""), status, 1)
			served, want := 2, map[string]int{"freed": 2}
			if kept {
				served, want = 1, map[string]int{"recorded": 1, "replayed": 1}
			}
			again := k.expect(order("key", ""), status, served)
			if replayed := again.Header().Get("Idempotency-Replayed") != ""; first.Body.String() != body || again.Body.String() != body || replayed != kept {
				t.Errorf("%d: %q, then %q, replayed %v", status, first.Body, again.Body, replayed)
			}
			k.counts(want)
		}
	}
}

// What the gateway answers itself says nothing of the service: the key is free, whatever the status.
func TestAnswersOfTheGatewayAreNotKept(t *testing.T) {
	for _, status := range []int{404, 413, 502, 503, 504} {
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, &problem.Problem{Status: status, Reason: "reason", RetryAfter: time.Second})
		})
		k.expect(order("key", ""), status, 1)
		if w := k.expect(order("key", "another"), status, 2); w.Header().Get("Retry-After") != "1" {
			t.Errorf("answer %v", w.Header())
		}
		if keys := k.store.Keys(); len(keys) > 0 {
			t.Errorf("stored %v", keys)
		}
	}
}

// A key that cannot be one is refused before anything else happens.
func TestKeysThatAreRefused(t *testing.T) {
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
				t.Errorf("%s, %s: stored %v, asked %d times", name, mode, stored, k.served.Load())
			}
			k.counts(want)
		}
	}
}

// Quoted or not, it is the same key; and the same request whatever the order of the query.
func TestWhatIsTheSameRequest(t *testing.T) {
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

// Nobody gets another caller's answer, nor another service's.
func TestCallersHaveTheirOwnKeys(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	bob := order("key", "{}")
	bob.Header.Set("Authorization", "Bearer bob")
	k.expect(bob, 201, 2)
	nobody := order("key", "{}")
	nobody.Header.Del("Authorization")
	k.expect(nobody, 201, 3)
	mail := Chain(Record(), k.Policy(k.config, &config.Service{Name: "mail"}))(http.HandlerFunc(created))
	w := httptest.NewRecorder()
	if mail.ServeHTTP(w, order("key", "{}")); w.Header().Get("Idempotency-Replayed") != "" {
		t.Error("another service's answer")
	}
	for _, key := range k.store.Keys() {
		if strings.Contains(key, "ada") || strings.Contains(key, "key") {
			t.Errorf("the store is told %q", key)
		}
	}
}

// Methods that are idempotent by themselves pass as they are, with or without a key.
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

func TestBodiesThatAreTooLargeOrBroken(t *testing.T) {
	limit := 1 << 10
	for name, c := range map[string]struct {
		body   io.Reader
		length int
		status int
		reason string
	}{
		"the largest":             {bytes.NewReader(make([]byte, limit)), limit, 201, ""},
		"the largest, chunked":    {bytes.NewReader(make([]byte, limit)), -1, 201, ""},
		"too large":               {bytes.NewReader(make([]byte, limit+1)), limit + 1, 413, "body_too_large"},
		"too large, chunked":      {bytes.NewReader(make([]byte, limit+1)), -1, 413, "body_too_large"},
		"a claim to be too large": {bytes.NewReader(nil), 1 << 40, 413, "body_too_large"},
		"broken":                  {io.MultiReader(strings.NewReader("x"), errReader{errors.New("bad chunk")}), -1, 400, "body"},
	} {
		k := newKeyed(t, created)
		r := order("key", "")
		r.Body, r.ContentLength = io.NopCloser(c.body), int64(c.length)
		w := k.do(r)
		if rec := k.last.Load(); w.Code != c.status || rec.Reason != c.reason {
			t.Errorf("%s: %d, %q", name, w.Code, rec.Reason)
		}
		if refused := c.status != 201; refused && (k.served.Load() > 0 || len(k.store.Keys()) > 0) {
			t.Errorf("%s: asked %d times, stored %v", name, k.served.Load(), k.store.Keys())
		}
	}
	k := newKeyed(t, created)
	r := order("key", "")
	r.Body, r.ContentLength = io.NopCloser(errReader{io.ErrUnexpectedEOF}), 10
	aborts(t, func() { k.do(r) })
	if rec := k.last.Load(); rec.Status != problem.StatusClientGone || rec.Reason != "client_gone" || k.served.Load() > 0 || len(k.store.Keys()) > 0 {
		t.Errorf("%+v", rec)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// aborts runs what has to end as a broken connection does.
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

// The bodies of all requests have room for so many bytes together. Who finds no room is told to come again, and all of it is
// given back, however a request ends.
func TestRoomForBodies(t *testing.T) {
	k := newKeyed(t, created)
	k.config.BodyBytes = 64 << 10
	const room = 100 << 10
	k.room.free.Store(room)
	h := k.handler()
	hold := func(key string) (body *io.PipeWriter, done chan *httptest.ResponseRecorder) {
		r := order(key, "")
		come, body := io.Pipe()
		r.Body, r.ContentLength = come, 64<<10
		done = make(chan *httptest.ResponseRecorder, 1)
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			done <- w
		}()
		return body, done
	}
	first, firstDone := hold("first")
	if _, err := first.Write(make([]byte, 64<<10)); err != nil { // all but the end, and so all read
		t.Fatal(err)
	}
	second, secondDone := hold("second")
	go second.Write(make([]byte, 64<<10))
	w := <-secondDone
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"reason":"bodies_full"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	second.CloseWithError(io.ErrClosedPipe)
	k.counts(map[string]int{"overloaded": 1})
	if w := k.do(order("small", "{}")); w.Code != 201 {
		t.Errorf("a small one: %d %s", w.Code, w.Body)
	}
	first.Close()
	if w := <-firstDone; w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	broken := order("broken", "")
	broken.Body, broken.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("x"), errReader{io.ErrUnexpectedEOF})), 10
	aborts(t, func() { k.do(broken) })
	large := order("large", "")
	large.Body, large.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, 64<<10+1))), -1
	if w := k.do(large); w.Code != 413 {
		t.Errorf("%d", w.Code)
	}
	if free := k.room.free.Load(); free != room {
		t.Errorf("%d bytes are free, want %d", free, room)
	}
}

// A body arrives whole, however it is cut and whatever its length is said to be.
func TestBodiesAreKeptWhole(t *testing.T) {
	for _, n := range []int{0, 1, firstBytes - 1, firstBytes, firstBytes + 1, 3 * firstBytes, 40_000} {
		for _, most := range []int{n, n + 1, 1 << 20} {
			for _, length := range []int64{int64(n), -1, 0, 1} {
				for _, cut := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
					want := make([]byte, n)
					for i := range want {
						want[i] = byte(i * i >> 3)
					}
					k := kept{room: &room{}}
					k.room.free.Store(4 << 20)
					if err := k.read(cut(bytes.NewReader(want)), length, most); err != nil || !bytes.Equal(k.b, want) || cap(k.b) > most+1 {
						t.Fatalf("%d bytes, said to be %d of at most %d: %d in %d, %v", n, length, most, len(k.b), cap(k.b), err)
					}
					if free := k.room.free.Load(); free != int64(4<<20-cap(k.b)) {
						t.Fatalf("%d bytes are free beside %d", free, cap(k.b))
					}
				}
			}
		}
	}
}

// An answer that is too large to keep reaches the client whole, and its effect is not had twice.
func TestLargeAnswers(t *testing.T) {
	const limit = 1 << 10
	for _, sized := range []bool{true, false} {
		for size, kept := range map[int]bool{limit / 2: true, limit - 64: true, limit + 1: false, 100 * limit: false} {
			k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
				if sized {
					w.Header().Set("Content-Length", fmt.Sprint(size))
				}
				w.WriteHeader(201)
				for range size {
					w.Write([]byte("x"))
				}
			})
			if w := k.expect(order("key", "{}"), 201, 1); w.Body.Len() != size {
				t.Errorf("%d bytes of %d", w.Body.Len(), size)
			}
			if kept {
				if w := k.expect(order("key", "{}"), 201, 1); w.Body.Len() != size {
					t.Errorf("replayed %d bytes of %d", w.Body.Len(), size)
				}
				continue
			}
			w := k.expect(order("key", "{}"), http.StatusGone, 1)
			if rec := k.last.Load(); rec.Reason != "answer_not_kept" || !strings.Contains(w.Body.String(), "status 201") {
				t.Errorf("%q: %s", rec.Reason, w.Body)
			}
			k.expect(order("key", "[]"), http.StatusUnprocessableEntity, 1)
			k.counts(map[string]int{"unkept": 1, "unrepeatable": 1, "mismatch": 1})
		}
	}
	// A header alone can be too much; and more may come than was announced.
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", limit))
		created(w, r)
	})
	if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
		t.Errorf("%q", w.Body)
	}
	k.expect(order("key", "{}"), http.StatusGone, 1)
	k = newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1")
		io.WriteString(w, "1")
		w.Write(make([]byte, limit))
	})
	if w := k.expect(order("key", "{}"), 200, 1); w.Body.Len() != 1+limit {
		t.Errorf("%d bytes", w.Body.Len())
	}
	k.expect(order("key", "{}"), http.StatusGone, 1)
}

// A stream is passed on as it comes. When it has ended, it is an answer like others.
func TestStreams(t *testing.T) {
	w := httptest.NewRecorder()
	k := newKeyed(t, func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "text/event-stream")
		for i, piece := range []string{"one", "two"} {
			io.WriteString(out, piece)
			if err := http.NewResponseController(out).Flush(); err != nil {
				t.Error(err)
			}
			if got := w.Body.Len(); got != 3*(i+1) || !w.Flushed {
				t.Errorf("%d bytes have reached the client, flushed %v", got, w.Flushed)
			}
			w.Flushed = false
		}
	})
	k.handler().ServeHTTP(w, order("key", "{}"))
	if w.Code != 200 || w.Body.String() != "onetwo" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	again := k.expect(order("key", "{}"), 200, 1)
	if h := again.Header(); again.Body.String() != "onetwo" || h.Get("Content-Type") != "text/event-stream" || h.Get("Content-Length") != "6" {
		t.Errorf("%q %v", again.Body, h)
	}
}

// An answer that breaks off before its header says nothing; behind it, the service has done what was asked.
func TestBrokenAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		begin  func(w http.ResponseWriter)
		status int // of the repetition
		served int
	}{
		"before its header":       {func(http.ResponseWriter) {}, 201, 2},
		"with a length":           {func(w http.ResponseWriter) { w.Header().Set("Content-Length", "9"); io.WriteString(w, "half") }, 410, 1},
		"without":                 {func(w http.ResponseWriter) { io.WriteString(w, "half") }, 410, 1},
		"of a service that fails": {func(w http.ResponseWriter) { w.WriteHeader(500) }, 201, 2},
	} {
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			c.begin(w)
			panic(http.ErrAbortHandler)
		})
		aborts(t, func() { k.do(order("key", "{}")) })
		k.service = created
		if w := k.do(order("key", "{}")); w.Code != c.status || k.served.Load() != int64(c.served) {
			t.Errorf("%s: the repetition got %d, and the service was asked %d times", name, w.Code, k.served.Load())
		}
	}
}

// A duplicate of a request that is under way is told when to come back; another request that it is one.
func TestDuplicatesInFlight(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-answer
		created(w, r)
	})
	done := make(chan bool)
	go func() {
		defer close(done)
		k.do(order("key", "{}"))
	}()
	<-asked
	w := k.expect(order("key", "{}"), http.StatusConflict, 1)
	if rec := k.last.Load(); rec.Reason != "key_in_flight" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%q %v", rec.Reason, w.Header())
	}
	k.expect(order("key", "[]"), http.StatusUnprocessableEntity, 1)
	close(answer)
	<-done
	k.expect(order("key", "{}"), 201, 1)
	k.counts(map[string]int{"recorded": 1, "in_flight": 1, "mismatch": 1, "replayed": 1})
}

// The client leaves while the service works. It gets the answer when it asks again.
func TestClientThatLeaves(t *testing.T) {
	for _, sized := range []bool{true, false} {
		ctx, leave := context.WithCancel(t.Context())
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			leave()
			if r.Context().Err() != nil {
				t.Error("the request ends with its client")
			}
			if sized {
				created(w, r)
				return
			}
			w.WriteHeader(201)
			io.WriteString(w, "o")
			io.WriteString(w, "k")
		})
		h := k.handler()
		h.ServeHTTP(&leftClient{http.Header{}}, order("key", "{}").WithContext(ctx))
		if rec := k.last.Load(); rec.Status != problem.StatusClientGone || rec.Reason != "client_gone" || rec.Err == nil {
			t.Errorf("record %+v", rec)
		}
		if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
			t.Errorf("%q", w.Body)
		}
		k.counts(map[string]int{"recorded": 1, "replayed": 1})
	}
}

// leftClient is a connection that nobody reads from.
type leftClient struct{ header http.Header }

func (w *leftClient) Header() http.Header       { return w.header }
func (w *leftClient) WriteHeader(int)           {}
func (w *leftClient) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (w *leftClient) FlushError() error         { return io.ErrClosedPipe }

// A request whose client has left does not go on for ever, nor when the gateway is cut off.
func TestClientThatLeavesIsNotWaitedForForLong(t *testing.T) {
	for _, cut := range []bool{true, false} {
		ctx, leave := context.WithCancel(t.Context())
		waits := make(chan bool, 1)
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			leave()
			waits <- true
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		k.shop.Timeout = time.Millisecond
		if cut {
			k.shop.Timeout = time.Hour
			go func() {
				<-waits
				k.Cut()
			}()
		}
		aborts(t, func() { k.do(order("key", "{}").WithContext(ctx)) })
		k.counts(map[string]int{"freed": 1})
		if keys := k.store.Keys(); len(keys) > 0 {
			t.Errorf("stored %v", keys)
		}
	}
}

// Requests that go on without their clients are few. One more ends at once, and its key is free.
func TestClientsThatLeaveAreBounded(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		select {
		case <-answer:
			created(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
	k.shop.Limit.InFlight = 29
	const requests, goOn = 7, 2
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan bool)
	for i := range requests {
		h := k.handler() // a route of its own to the same service
		go func() {
			defer func() {
				recover()
				done <- true
			}()
			h.ServeHTTP(&leftClient{http.Header{}}, order(fmt.Sprint(i), "{}").WithContext(ctx))
		}()
		<-asked
	}
	leave()
	for range requests - goOn {
		<-done
	}
	k.counts(map[string]int{"freed": requests - goOn})
	close(answer)
	for range goOn {
		<-done
	}
	k.counts(map[string]int{"freed": requests - goOn, "recorded": goOn})
	if stored := len(k.store.Keys()); stored != goOn {
		t.Errorf("%d keys are stored", stored)
	}
	for inFlight, want := range map[int]int{0: 64, 1: 1, 9: 1, 64: 6, 1024: 64} {
		if got := cap(newLeft(inFlight).places); got != want {
			t.Errorf("of %d in flight %d may go on, want %d", inFlight, got, want)
		}
	}
}

// Without the store nothing is sent to a service, but what has no key where it needs none.
func TestStoreAway(t *testing.T) {
	k := newKeyed(t, created)
	k.away.Store(true)
	for i, mode := range []config.Mode{config.KeyRequired, config.KeyOptional} {
		k.config.Mode = mode
		w := k.expect(order("key", "{}"), http.StatusServiceUnavailable, 0)
		if rec := k.last.Load(); rec.Reason != "store_unavailable" || w.Header().Get("Retry-After") != "1" || rec.Err == nil {
			t.Errorf("%q %v, %v", rec.Reason, w.Header(), rec.Err)
		}
		k.counts(map[string]int{"unavailable": i + 1})
	}
	k.expect(order("", "{}"), 201, 1)
	k.away.Store(false)
	k.expect(order("key", "{}"), 201, 2)
}

// A store that is away when the answer is there gets it when it is back. The client does not wait for that.
func TestStoreAwayWhenTheAnswerComes(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		state  string // in the end
		again  int    // status of the repetition
		served int
	}{
		"kept":      {created, 201, "recorded", 201, 1},
		"too large": {func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 2<<10)) }, 200, "unkept", 410, 1},
		"to free":   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, 503, "freed", 201, 2},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) { c.answer(w, r) })
			answer := c.answer
			c.answer = func(w http.ResponseWriter, r *http.Request) {
				k.away.Store(true)
				answer(w, r)
			}
			k.expect(order("key", "{}"), c.status, 1)
			k.expect(order("key", "{}"), 503, 1)
			k.away.Store(false)
			k.late.busy.Wait()
			if got := counterValue(t, k.requests.WithLabelValues(c.state)); got != 1 {
				t.Errorf("%s: %d", c.state, got)
			}
			c.answer = created
			k.expect(order("key", "{}"), c.again, c.served)
		})
	}
}

// What waits for the store is bounded and ends with the gateway. The claim ends by itself then, and the loss is told.
func TestAnswersThatAreLost(t *testing.T) {
	for _, why := range []string{"cut", "full"} {
		k := newKeyed(t, created)
		k.service = func(w http.ResponseWriter, r *http.Request) {
			k.away.Store(true)
			created(w, r)
		}
		switch why {
		case "cut":
			k.Cut()
		case "full":
			for range maxLate {
				k.late.room <- struct{}{}
			}
		}
		if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
			t.Errorf("%q", w.Body)
		}
		k.counts(map[string]int{"lost": 1})
		if !strings.Contains(k.warnings.String(), "answer not recorded") {
			t.Errorf("%s: logged %q", why, &k.warnings)
		}
	}
}

// A slow owner whose claim was taken over does not overwrite its successor's answer. Both effects were had, and it is told.
func TestSlowOwner(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-answer
		io.WriteString(w, "slow")
	})
	done := make(chan *httptest.ResponseRecorder)
	slow := k.handler()
	go func() {
		w := httptest.NewRecorder()
		slow.ServeHTTP(w, order("key", "{}"))
		done <- w
	}()
	<-asked
	k.store.HSet(k.store.Keys()[0], "lease", "1")
	k.expect(order("key", "[]"), http.StatusUnprocessableEntity, 1)
	fast := Chain(Record(), k.Policy(k.config, &k.shop))(http.HandlerFunc(created))
	fast.ServeHTTP(httptest.NewRecorder(), order("key", "{}"))
	close(answer)
	if w := <-done; w.Body.String() != "slow" {
		t.Errorf("the slow one's client got %q", w.Body)
	}
	if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
		t.Errorf("the repetition got %q", w.Body)
	}
	k.counts(map[string]int{"recorded": 1, "lost": 1, "replayed": 1, "mismatch": 1})
	if got := counterValue(t, k.taken); got != 1 || !strings.Contains(k.warnings.String(), "key taken over") {
		t.Errorf("%d takeovers, logged %q", got, &k.warnings)
	}
}

// The same key is a new request when the answer's time is over.
func TestTimeToLive(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	k.store.FastForward(k.config.TTL - time.Second)
	k.expect(order("key", "{}"), 201, 1)
	k.store.FastForward(time.Second)
	k.expect(order("key", "[]"), 201, 2)
}

func TestGRPCIsRefusedWithAKey(t *testing.T) {
	for mode, want := range map[config.Mode][2]int{config.KeyRequired: {415, 415}, config.KeyOptional: {201, 415}} {
		k := newKeyed(t, created)
		k.config.Mode = mode
		for i, key := range []string{"", "key"} {
			r := order(key, "{}")
			r.ProtoMajor = 2
			r.Header.Set("Content-Type", "application/grpc+proto")
			if w := k.do(r); w.Code != want[i] || len(k.store.Keys()) > 0 {
				t.Errorf("%s, key %q: %d", mode, key, w.Code)
			}
		}
	}
}

// The service is not asked for trailers, which could not be given again.
func TestNoTrailers(t *testing.T) {
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		if te := r.Header["Te"]; te != nil {
			t.Errorf("asked for %q", te)
		}
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("the connection can be hijacked")
		}
	})
	r := order("key", "{}")
	r.Header.Set("Te", "trailers")
	k.expect(r, 200, 1)
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

// The metric has all of its results from the beginning, and no others.
func TestResultsAreAClosedSet(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	families, err := k.metrics.Gather()
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
