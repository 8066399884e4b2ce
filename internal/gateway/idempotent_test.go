package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/idempotent"
	"github.com/tenfold-go/tenfold/internal/store"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// durable are the options of a server that keeps every acknowledged write when it is killed.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// endLease ends the lease of a claim on the shop, as if its owner had not renewed it.
func endLease(t testing.TB, redis *redistest.Server, key string) {
	t.Helper()
	c := redis.Client()
	claimed := idempotent.StoreKey("shop", "ip:127.0.0.1", key)
	if err := c.Do(context.Background(), c.B().Hset().Key(claimed).FieldValue().FieldValue("lease", "1").Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

// sharedStore returns the store at an address, as a gateway uses it.
func sharedStore(t testing.TB, address string) *store.Store {
	t.Helper()
	s, err := store.New("redis://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return s
}

// orders returns a file with one route, which requires keys.
func orders(node string) string {
	return "services:\n  shop: {nodes: [\"" + node + "\"], slow_start: 0s}\nroutes:\n  - {path: /, to: shop, idempotency: required}\n"
}

// startKeyed runs a gateway with such a file, on the store at an address.
func startKeyed(t testing.TB, address, node string) *front {
	t.Helper()
	return startOn(t, sharedStore(t, address), orders(node))
}

// order sends an order with a key on a new connection. On a reused connection, net/http itself would repeat a request with a
// key.
func order(t testing.TB, url, key string, body io.Reader) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequest("POST", url+"/orders", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	req.Close = true
	resp, err := newClient(t).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// mustOrder sends an order and checks the status. It returns the response, and whether it was replayed.
func mustOrder(t testing.TB, url, key string, status int) (answer string, replayed bool) {
	t.Helper()
	resp, text, err := order(t, url, key, strings.NewReader("book"))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", resp.StatusCode, status, text)
	}
	return resp.Header.Get("Location") + " " + text, resp.Header.Get("Idempotency-Replayed") == "true"
}

// shop is a node that counts the orders for each key, and responds with the number of the order.
type shop struct {
	address string
	mu      sync.Mutex
	n       int
	byKey   map[string]int
	during  func(r *http.Request) // called after an order was placed and before its response; may be nil
}

func newShop(t testing.TB) *shop {
	s := &shop{byKey: map[string]int{}}
	s.address = address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		s.n++
		n, during := s.n, s.during
		s.byKey[r.Header.Get("Idempotency-Key")]++
		s.mu.Unlock()
		if during != nil {
			during(r)
		}
		w.Header().Set("Location", fmt.Sprintf("/orders/%d", n))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "order %d", n)
	}))
	return s
}

func (s *shop) whileWorking(f func(r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.during = f
}

func (s *shop) placed(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[key]
}

func (s *shop) wantPlaced(t testing.TB, key string, want int) {
	t.Helper()
	if n := s.placed(key); n != want {
		t.Fatalf("%d orders for %s, want %d", n, key, want)
	}
}

// An order is placed once, however often and to whichever gateway it is sent. All responses are equal.
func TestParallelDuplicatesThroughThreeGateways(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	var fronts []*front
	for range 3 {
		fronts = append(fronts, startKeyed(t, redis.Addr(), shop.address))
	}
	const keys, duplicates = 5, 30
	var conflicts, replays atomic.Int64
	var all sync.WaitGroup
	answers := [keys]sync.Map{}
	for k := range keys {
		for d := range duplicates {
			all.Go(func() {
				for begun := time.Now(); ; {
					resp, text, err := order(t, fronts[d%3].url(""), fmt.Sprintf("key-%d", k), strings.NewReader("book"))
					switch {
					case err != nil || time.Since(begun) > patience:
						t.Error("no response", err)
						return
					case resp.StatusCode == http.StatusConflict && resp.Header.Get("Retry-After") == "1":
						conflicts.Add(1)
						time.Sleep(5 * time.Millisecond)
						continue
					case resp.StatusCode != http.StatusCreated:
						t.Errorf("%d %s", resp.StatusCode, text)
					}
					if resp.Header.Get("Idempotency-Replayed") == "true" {
						replays.Add(1)
					}
					answers[k].Store(resp.Header.Get("Location")+" "+text, true)
					return
				}
			})
		}
	}
	all.Wait()
	for k := range keys {
		shop.wantPlaced(t, fmt.Sprintf("key-%d", k), 1)
		n := 0
		answers[k].Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("key-%d has %d different responses", k, n)
		}
	}
	if replays.Load() != keys*(duplicates-1) {
		t.Errorf("%d responses are marked as replayed", replays.Load())
	}
	t.Logf("%d orders sent %d times each through 3 gateways: %d placed, %d responses, %d times 409", keys, duplicates, keys, keys*duplicates, conflicts.Load())
}

// Bodies in both directions pass and are replayed byte by byte, over HTTP/1 and HTTP/2.
func TestLargeBinaryBodiesUnderAKey(t *testing.T) {
	redis := redistest.Start(t)
	asked := atomic.Int64{}
	node := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		}
		w.Write(b)
	})
	ca, lines := secure(t)
	f := startOn(t, sharedStore(t, redis.Addr()), lines+orders(address(node)))
	body := make([]byte, 1<<20-100) // with its header close to the limit
	for i := range body {
		body[i] = byte(i * i >> 3)
	}
	want := 0
	for _, h2 := range []bool{false, true} {
		for _, path := range []string{"/sized", "/unsized"} {
			want++
			for i := range 3 {
				req, err := http.NewRequest("POST", "https://"+f.addr+path, io.MultiReader(bytes.NewReader(body))) // of unknown length
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Idempotency-Key", fmt.Sprint(h2, path))
				resp, err := secureClient(t, ca, h2).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				replayed := resp.Header.Get("Idempotency-Replayed") == "true"
				if resp.StatusCode != 200 || err != nil || !bytes.Equal(got, body) || replayed != (i > 0) || (resp.ProtoMajor == 2) != h2 {
					t.Errorf("%s: %s, %d bytes, %v, replayed %v", path, resp.Status, len(got), err, replayed)
				}
			}
			if n := int(asked.Load()); n != want {
				t.Errorf("%s: the node got %d requests, want %d", path, n, want)
			}
		}
	}
	req, _ := http.NewRequest("POST", "https://"+f.addr, bytes.NewReader(make([]byte, 1<<20+1)))
	req.Header.Set("Idempotency-Key", "large")
	resp, err := secureClient(t, ca, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 413 || problemOf(t, resp, string(text)) != "body_too_large" {
		t.Errorf("%s %s", resp.Status, text)
	}
}

// A large request whose node dies is sent to another node, since its body is in memory.
func TestKeyedRequestIsSentToAnotherNode(t *testing.T) {
	redis := redistest.Start(t)
	body := strings.Repeat("0123456789abcdef", 32<<10) // more than retry.body_bytes
	var got atomic.Value
	dying := serveRaw(t, func(nc net.Conn, r *http.Request, _ *bufio.Reader) { io.CopyN(io.Discard, r.Body, 100) })
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(string(b))
	})
	f := startOn(t, sharedStore(t, redis.Addr()), `services:
  shop: {nodes: ["`+dying+`", "`+address(good)+`"], slow_start: 0s, balance: round-robin, outlier: off}
routes:
  - {path: /, to: shop, idempotency: required}
`)
	for i := range 4 {
		if resp, text, err := order(t, f.url(""), fmt.Sprint(i), strings.NewReader(body)); err != nil || resp.StatusCode != 200 || got.Load() != body {
			t.Errorf("%v %s %v", resp, text, err)
		}
	}
	if n := f.counted(t)["tenfold_upstream_retries_total{service=shop}"]; n == 0 {
		t.Error("no request was sent again, so the test proves nothing")
	}
}

// Early hints of the node are passed on, and the node is not asked for trailers.
func TestEarlyHintsUnderAKey(t *testing.T) {
	redis := redistest.Start(t)
	f := startKeyed(t, redis.Addr(), serveRaw(t, responds("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"+
		"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")))
	for i, want := range []int{1, 0} {
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			if status == http.StatusEarlyHints && h.Get("Link") == "</a.css>" {
				hints++
			}
			return nil
		}})
		req, _ := http.NewRequestWithContext(ctx, "POST", f.url("/"), strings.NewReader("book"))
		req.Header.Set("Idempotency-Key", "key")
		resp, err := newClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 201 || string(text) != "ok" || resp.Header["Link"] != nil || resp.Header["Content-Type"] != nil || hints != want {
			t.Errorf("response %d: %s %q %v, %d hints", i+1, resp.Status, text, resp.Header, hints)
		}
	}
}

// A client that disconnects before its response gets it when it repeats the request.
func TestClientDisconnectsAndRepeats(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	f := startKeyed(t, redis.Addr(), shop.address)
	arrived, release := make(chan bool), make(chan bool)
	shop.whileWorking(func(r *http.Request) {
		arrived <- true
		<-release
		if r.Context().Err() != nil {
			t.Error("the node's request was cancelled")
		}
	})
	nc := dial(t, f.addr)
	fmt.Fprintf(nc, "POST /orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: key\r\nContent-Length: 4\r\n\r\nbook")
	<-arrived
	nc.Close()
	mustOrder(t, f.url(""), "key", http.StatusConflict)
	close(release)
	f.access.wait(t, 2)
	if answer, replayed := mustOrder(t, f.url(""), "key", 201); answer != "/orders/1 order 1" || !replayed {
		t.Errorf("got %q, replayed %v", answer, replayed)
	}
	shop.wantPlaced(t, "key", 1)
	if r := f.access.wait(t, 3)[2]; r["reason"] != "replayed" || r["status"] != int64(201) || r["node"] != nil {
		t.Errorf("logged %v", r)
	}
}

// A buffered body must arrive within the timeout of the service, at any rate.
func TestBodyThatNeverEndsUnderAKey(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	f := startOn(t, sharedStore(t, redis.Addr()), "limits: {body_rate: 0}\n"+
		strings.Replace(orders(shop.address), "slow_start: 0s", "slow_start: 0s, timeout: 100ms", 1))
	nc := dial(t, f.addr)
	fmt.Fprintf(nc, "POST /orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: key\r\nContent-Length: 1000\r\n\r\nb")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 408 || problemOf(t, resp, string(text)) != "body_too_slow" {
		t.Errorf("%s %s", resp.Status, text)
	}
	shop.wantPlaced(t, "key", 0)
}

// An HTTP/2 request with content-length 0 and a body is refused, with and without a key.
func TestBodyLongerThanItsLengthOfZero(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	ca, lines := secure(t)
	f := startOn(t, sharedStore(t, redis.Addr()), lines+strings.Replace(orders(shop.address), "required", "optional", 1))
	for i, key := range []string{"", "key"} {
		for _, body := range []string{"", "book"} {
			c := dialFrames(t, f.addr, ca)
			fields := []string{":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/orders", "content-length", "0"}
			if key != "" {
				fields = append(fields, "idempotency-key", key)
			}
			c.request(t, false, fields...)
			if err := c.WriteData(1, true, []byte(body)); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("201 order %d", i+1)
			if body != "" {
				want = "reset PROTOCOL_ERROR"
			}
			if got := c.response(); got != want {
				t.Errorf("key %q, body %q: %s, want %s", key, body, got, want)
			}
		}
		f.access.wait(t, 2*(i+1))
		shop.wantPlaced(t, key, 1)
	}
}

// A client that closes only its sending side gets its response, of known or unknown length.
func TestClientThatHalfCloses(t *testing.T) {
	redis, arrived, release := redistest.Start(t), make(chan bool), make(chan bool)
	node := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-release
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", "5")
		}
		io.WriteString(w, "or")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "der")
	})
	f := startKeyed(t, redis.Addr(), address(node))
	for _, path := range []string{"/sized", "/unsized"} {
		nc := dial(t, f.addr)
		fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: %s\r\nContent-Length: 4\r\n\r\nbook", path, path[1:])
		receive(t, "the request", arrived)
		if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		release <- true
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); resp.StatusCode != 200 || string(text) != "order" || err != nil {
			t.Errorf("%s: %s %q, %v", path, resp.Status, text, err)
		}
	}
}

// Kill ends the requests that run without their clients.
func TestKillEndsDetachedRequests(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	f := startKeyed(t, redis.Addr(), shop.address)
	arrived, gone := make(chan bool), make(chan bool)
	shop.whileWorking(func(r *http.Request) {
		arrived <- true
		<-r.Context().Done()
		close(gone)
	})
	nc := dial(t, f.addr)
	fmt.Fprintf(nc, "POST /orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: key\r\nContent-Length: 4\r\n\r\nbook")
	<-arrived
	nc.Close()
	f.cancel()
	f.Kill()
	receive(t, "the node's request to be cancelled", gone)
	if err := receive(t, "the gateway to end", f.ended); err != nil {
		t.Error(err)
	}
	f.ended <- nil
	if n := f.requests.n.Load(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// startWithDefaultTimeout runs a gateway with the store timeout of production.
func startWithDefaultTimeout(t testing.TB, redis *redistest.Server, node string) *front {
	t.Helper()
	return startWith(t, orders(node), Options{Store: sharedStore(t, redis.Addr())})
}

// orderUntilDone repeats an order until it gets a response. On a busy machine any request can time out at the store, and leave a
// claim until its lease expires.
func orderUntilDone(t testing.TB, redis *redistest.Server, f *front, shop *shop, key string, placed int) (answer string, replayed bool) {
	t.Helper()
	await(t, "a response to an order", func() bool {
		resp, text, err := order(t, f.url(""), key, strings.NewReader("book"))
		if err != nil {
			t.Fatal(err)
		}
		switch resp.StatusCode {
		case http.StatusServiceUnavailable:
			if got := problemOf(t, resp, text); got != "store_unavailable" || resp.Header.Get("Retry-After") != "1" {
				t.Errorf("%q %v", got, resp.Header)
			}
			shop.wantPlaced(t, key, placed)
		case http.StatusConflict:
			shop.wantPlaced(t, key, placed)
			endLease(t, redis, key)
		case http.StatusCreated:
			answer, replayed = resp.Header.Get("Location")+" "+text, resp.Header.Get("Idempotency-Replayed") == "true"
			return true
		default:
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		return false
	})
	shop.wantPlaced(t, key, 1)
	return answer, replayed
}

func (f *front) awaitRecorded(t testing.TB, n float64) {
	t.Helper()
	await(t, "the recorded responses", func() bool {
		return f.counted(t)["tenfold_idempotency_requests_total{result=recorded}"] == n
	})
}

// While the store hangs, no request reaches the node. Commands that were sent during that time take effect afterwards.
func TestStoreHangs(t *testing.T) {
	redis, shop := redistest.Start(t), newShop(t)
	f := startWithDefaultTimeout(t, redis, shop.address)
	orderUntilDone(t, redis, f, shop, "before", 0)
	admin := redis.Client()
	shop.whileWorking(func(*http.Request) {
		if err := admin.Do(t.Context(), admin.B().ClientPause().Timeout(2500).All().Build()).Error(); err != nil {
			t.Error(err)
		}
	})
	if answer, _ := orderUntilDone(t, redis, f, shop, "during", 0); answer != "/orders/2 order 2" { // the response waits a second for the store
		t.Errorf("got %q", answer)
	}
	shop.whileWorking(nil)
	orderUntilDone(t, redis, f, shop, "after", 0)
	f.awaitRecorded(t, 3)
	if answer, replayed := orderUntilDone(t, redis, f, shop, "during", 1); answer != "/orders/2 order 2" || !replayed {
		t.Errorf("got %q, replayed %v", answer, replayed)
	}
	t.Logf("%v requests came while the store hung", f.counted(t)["tenfold_idempotency_requests_total{result=unavailable}"])
}

// A store that is killed while a node works gets the result after its restart.
func TestStoreKilledWhileANodeWorks(t *testing.T) {
	redis, shop := redistest.Start(t, durable...), newShop(t)
	f := startWithDefaultTimeout(t, redis, shop.address)
	orderUntilDone(t, redis, f, shop, "before", 0)
	shop.whileWorking(func(*http.Request) { redis.Kill() })
	if answer, _ := orderUntilDone(t, redis, f, shop, "during", 0); answer != "/orders/2 order 2" {
		t.Errorf("got %q", answer)
	}
	shop.whileWorking(nil)
	mustOrder(t, f.url(""), "later", 503)
	redis.Restart()
	f.awaitRecorded(t, 2)
	orderUntilDone(t, redis, f, shop, "later", 0)
	for i, key := range []string{"before", "during"} {
		if answer, replayed := orderUntilDone(t, redis, f, shop, key, 1); answer != fmt.Sprintf("/orders/%d order %d", i+1, i+1) || !replayed {
			t.Errorf("got %q, replayed %v", answer, replayed)
		}
	}
}

// The store in memory keeps keys as long as the process lives.
func TestKeysInMemory(t *testing.T) {
	s, err := store.New("auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	shop := newShop(t)
	f := startOn(t, s, orders(shop.address))
	mustOrder(t, f.url(""), "key", 201)
	if answer, replayed := mustOrder(t, f.url(""), "key", 201); answer != "/orders/1 order 1" || !replayed {
		t.Errorf("got %q, replayed %v", answer, replayed)
	}
	if n := f.counted(t)["tenfold_idempotency_requests_total{result=replayed}"]; n != 1 {
		t.Errorf("counted %v", n)
	}
	resp, text := f.do(t, "POST", "/", strings.NewReader("book"))
	if resp.StatusCode != 400 || problemOf(t, resp, text) != "key_missing" {
		t.Errorf("%s %s", resp.Status, text)
	}
	if resp, _ := f.get(t, "/", "Idempotency-Key", "key"); resp.StatusCode != 201 || shop.placed("key") != 2 {
		t.Errorf("GET: %s, %d requests", resp.Status, shop.placed("key"))
	}
	f.kill() // before the store
}

func TestKeysNeedAStore(t *testing.T) {
	cfg, err := config.Parse("test.yaml", []byte("store: auto\n"+orders("127.0.0.1:1")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg, nil); err == nil || !strings.Contains(err.Error(), "store") {
		t.Errorf("error %v", err)
	}
}
