package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/internal/node"
	"github.com/tenfold-go/tenfold/kit/breaker"
)

// newPool runs a pool over the addresses, and returns when all of them are ready. extra is more of the service's YAML.
func newPool(t *testing.T, extra string, addresses ...string) *Pool {
	t.Helper()
	p := idlePool(t, extra, addresses...)
	for i := range addresses {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := p.AwaitReady(ctx, fmt.Sprintf("shop-%d", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// idlePool is newPool for nodes that may never be ready.
func idlePool(t *testing.T, extra string, addresses ...string) *Pool {
	t.Helper()
	yaml := "services:\n  shop:\n    nodes: [\"" + strings.Join(addresses, `", "`) + "\"]\n    slow_start: 0s\n"
	for line := range strings.SplitSeq(strings.TrimSpace(extra), "\n") {
		if line != "" {
			yaml += "    " + line + "\n"
		}
	}
	cfg, err := config.Parse("test.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := New(cfg.Services[0], nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		p.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	p.Update(setOf(addresses...))
	return p
}

func setOf(addresses ...string) node.Set {
	set := node.Set{Service: "shop"}
	for i, a := range addresses {
		set.Nodes = append(set.Nodes, node.Node{ID: fmt.Sprintf("shop-%d", i+1), Service: "shop", Address: a})
	}
	return set
}

// serve starts a node that answers probes, and everything else with h. It returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "tenfold-probe" {
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
}

// serveRaw starts a node that answers probes, and hands every other request to h together with its connection, which is
// closed when h returns.
func serveRaw(t *testing.T, h func(net.Conn, *http.Request)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { l.Close(); conns.Wait() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer nc.Close()
				r, err := http.ReadRequest(bufio.NewReader(nc))
				if err != nil {
					return
				}
				if r.UserAgent() == "tenfold-probe" {
					io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					return
				}
				h(nc, r)
			})
		}
	}()
	return l.Addr().String()
}

// send makes a request and returns the answer's status and body.
func send(ctx context.Context, p *Pool, method, body string, header ...string) (int, string, error) {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://shop.example/x", r)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRetryMatrix(t *testing.T) {
	for _, c := range []struct {
		r    result
		want bool
		why  string
	}{
		{result{method: "GET", replayable: true, stage: client.NotSent}, true, ""},
		{result{method: "GET", replayable: true, stage: client.Sent}, true, ""},
		{result{method: "GET", replayable: true, stage: client.Answered}, true, ""},
		{result{method: "GET", replayable: true, status: 503}, true, ""},
		{result{method: "PUT", replayable: true, stage: client.Sent}, true, ""},
		{result{method: "PUT", stage: client.Sent}, false, "body"},
		{result{method: "DELETE", replayable: true, status: 502}, true, ""},
		{result{method: "POST", replayable: true, stage: client.NotSent}, true, ""},
		{result{method: "POST", stage: client.NotSent}, false, "body"},
		{result{method: "POST", replayable: true, stage: client.Sent}, false, "unsafe"},
		{result{method: "POST", replayable: true, status: 503}, false, "unsafe"},
		{result{method: "POST", replayable: true, keyed: true, stage: client.Sent}, true, ""},
		{result{method: "POST", replayable: true, keyed: true, status: 504}, true, ""},
		{result{method: "PATCH", replayable: true, stage: client.Sent}, false, "unsafe"},
		{result{method: "BREW", replayable: true, stage: client.Sent}, false, "unsafe"},
	} {
		if got, why := c.r.repeatable(); got != c.want || why != c.why {
			t.Errorf("%+v: %v %q, want %v %q", c.r, got, why, c.want, c.why)
		}
	}
}

// A node that takes a request and dies costs a GET nothing and a POST its answer; the POST is never sent twice.
func TestNodeThatDiesWithARequest(t *testing.T) {
	var received atomic.Int64
	dies := func(nc net.Conn, r *http.Request) {
		io.ReadAll(r.Body)
		received.Add(1)
	}
	for _, c := range []struct {
		method, body string
		header       []string
		ok           bool
	}{
		{"GET", "", nil, true}, {"PUT", "new", nil, true}, {"DELETE", "", nil, true},
		{"POST", "order", nil, false}, {"POST", "order", []string{"Idempotency-Key", "k1"}, true}, {"PATCH", "x", nil, false},
	} {
		received.Store(0)
		var answered atomic.Int64
		// The dying node is picked first: the good one looks busier.
		p := newPool(t, "balance: least-conn", serveRaw(t, dies), serve(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			answered.Add(1)
			fmt.Fprintf(w, "got %s", b)
		}))
		p.members["shop-2"].inFlight.Add(3)
		p.mu.Lock()
		p.rebuild()
		p.mu.Unlock()
		status, body, err := send(t.Context(), p, c.method, c.body, c.header...)
		if ok := err == nil; ok != c.ok || ok && (status != 200 || body != "got "+c.body) {
			t.Errorf("%s %v: %d %q %v, want success %v", c.method, c.header, status, body, err, c.ok)
		}
		if total := received.Load() + answered.Load(); !c.ok && total != 1 {
			t.Errorf("%s was sent %d times", c.method, total)
		}
	}
}

// Nothing was sent to a node that refuses the connection, so that even a POST may go elsewhere.
func TestRefusedConnectionIsAlwaysRetried(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, "balance: round-robin", serve(t, answer("ok")), serve(t, answer("ok")))
	p.mu.Lock()
	p.members["shop-1"].conns.address = l.Addr().String()
	p.mu.Unlock()
	l.Close()
	for range 4 {
		if status, body, err := send(t.Context(), p, "POST", "order"); status != 200 || body != "ok" || err != nil {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
}

// A small answer that breaks off in the middle is a retry, not half an answer.
func TestBrokenAnswerIsRetried(t *testing.T) {
	var broken atomic.Int64
	breaks := serveRaw(t, func(nc net.Conn, r *http.Request) {
		broken.Add(1)
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly half")
	})
	p := newPool(t, "balance: round-robin", breaks, serve(t, answer("whole")))
	for range 4 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "whole" || err != nil {
			t.Errorf("%q %v", body, err)
		}
	}
	if broken.Load() == 0 {
		t.Error("the node that breaks was never picked")
	}
}

func TestUnavailableAnswerIsRetriedOnlyWhereSafe(t *testing.T) {
	busy := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	p := newPool(t, "balance: round-robin\nbreaker: off\noutlier: off", busy, serve(t, answer("ok")))
	posts := map[int]int{}
	for range 10 {
		if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
			t.Errorf("GET: %d %v", status, err)
		}
	}
	for range 10 {
		status, _, err := send(t.Context(), p, "POST", "x")
		if err != nil {
			t.Errorf("POST: %v", err)
		}
		posts[status]++
	}
	if posts[503] == 0 || posts[200] == 0 {
		t.Errorf("POSTs: %v, want the node's own answers passed on", posts)
	}
}

// A service that lacks what it needs says so itself, on every node: that is its answer, and no fault of the nodes.
func TestServiceThatAsksToComeLaterIsHeard(t *testing.T) {
	var tries atomic.Int64
	later := func() string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" { // the probe
				return
			}
			tries.Add(1)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		})
	}
	p := newPool(t, "breaker: {min_requests: 2}\noutlier: {failures: 2}", later(), later(), later())
	const requests = 60
	for range requests {
		if status, _, err := send(t.Context(), p, "GET", ""); status != 503 || err != nil {
			t.Fatalf("%d %v", status, err)
		}
	}
	if n := tries.Load(); n != requests {
		t.Errorf("%d tries of %d requests", n, requests)
	}
	for _, n := range p.Nodes() {
		if n.Ejected || n.Failures > 0 {
			t.Errorf("%+v", n)
		}
	}
}

// While everything fails, the nodes see at most a tenth more requests than the clients sent.
func TestRetryAmplification(t *testing.T) {
	var tries atomic.Int64
	fails := func() string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) { tries.Add(1); w.WriteHeader(503) })
	}
	p := newPool(t, "breaker: off\noutlier: off", fails(), fails(), fails())
	const requests = 2000
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range requests / 8 {
				send(context.Background(), p, "GET", "")
			}
		})
	}
	wg.Wait()
	amplification := float64(tries.Load()) / requests
	t.Logf("figure: amplification-pool requests=%d tries=%d tries_per_request=%.4f", requests, tries.Load(), amplification)
	if amplification > 1.1 {
		t.Errorf("amplification %.4f, want at most 1.1", amplification)
	}
	tries.Store(0)
	p = newPool(t, "outlier: off", fails(), fails(), fails())
	for range 500 {
		send(t.Context(), p, "GET", "")
	}
	t.Logf("figure: amplification-pool-breaker requests=500 tries=%d", tries.Load())
	if tries.Load() > 40 {
		t.Errorf("%d of 500 requests got past the breaker", tries.Load())
	}
}

func TestNoNodeIsSaidAtOnce(t *testing.T) {
	p := idlePool(t, "", "127.0.0.1:1")
	start := time.Now()
	for range 100 {
		if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrNoNode) {
			t.Fatalf("%v, want %v", err, ErrNoNode)
		}
	}
	t.Logf("figure: no-node refusals=100 took=%v", time.Since(start))
}

// gate is a node that holds requests until it is told to let one go.
func gate(t *testing.T) (address string, arrived chan string, leave chan struct{}) {
	arrived, leave = make(chan string, 100), make(chan struct{})
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // or net/http does not notice when the client goes away
		arrived <- r.Header.Get("N")
		select {
		case <-leave:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	}), arrived, leave
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	address, arrived, leave := gate(t)
	p := newPool(t, "limit: {in_flight: 1, queue: 3, wait: 10s}", address)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, body, err := send(t.Context(), p, "GET", "", "N", fmt.Sprint(i)); body != "done" || err != nil {
				t.Errorf("request %d: %q %v", i, body, err)
			}
		})
		await(t, "it is on the node or in the queue", func() bool { return p.inFlight.Load()+p.queue.waiting.Load() == int64(i+1) })
	}
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrQueueFull) {
		t.Errorf("a fifth request: %v, want %v", err, ErrQueueFull)
	}
	for i := range 4 {
		if got := <-arrived; got != fmt.Sprint(i) {
			t.Errorf("request %s came as number %d", got, i)
		}
		leave <- struct{}{}
	}
	wg.Wait()
	await(t, "all places are given back", func() bool { return p.inFlight.Load() == 0 && p.members["shop-1"].held() == 0 })
}

func TestQueueEndsWithPatienceAndWithTheClient(t *testing.T) {
	address, arrived, leave := gate(t)
	p := newPool(t, "limit: {in_flight: 1, queue: 3, wait: 50ms}", address)
	var wg sync.WaitGroup
	wg.Go(func() { send(context.Background(), p, "GET", "") })
	<-arrived
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrQueueTimeout) {
		t.Errorf("%v, want %v", err, ErrQueueTimeout)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("client gone")
	cancel(gone)
	if _, _, err := send(ctx, p, "GET", ""); !errors.Is(err, gone) {
		t.Errorf("%v, want %v", err, gone)
	}
	if n := p.queue.waiting.Load(); n != 0 {
		t.Errorf("%d still in the queue", n)
	}
	leave <- struct{}{}
	wg.Wait()
}

// A hundred clients over three nodes of two places each: never more than two on a node, and nobody is lost.
func TestLimitHoldsUnderLoad(t *testing.T) {
	var most atomic.Int64
	limited := func() string {
		var now atomic.Int64
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(100 * time.Microsecond) // the work
			now.Add(-1)
		})
	}
	for _, balance := range []string{"p2c", "round-robin", "least-conn", "weighted", "hash(header:N)"} {
		most.Store(0)
		p := newPool(t, "limit: {in_flight: 2, queue: 200, wait: 30s}\nbalance: "+balance, limited(), limited(), limited())
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				for range 5 {
					if status, _, err := send(t.Context(), p, "GET", "", "N", fmt.Sprint(i)); status != 200 || err != nil {
						t.Errorf("%s: %d %v", balance, status, err)
					}
				}
			})
		}
		wg.Wait()
		if most.Load() > 2 {
			t.Errorf("%s: %d requests on one node, the limit is 2", balance, most.Load())
		}
		if n := p.inFlight.Load(); n != 0 {
			t.Errorf("%s: %d places were never given back", balance, n)
		}
	}
}

// stopped is a node that can be made to hang, as SIGSTOP does: it takes connections and says nothing.
type stopped struct {
	hang  atomic.Bool
	taken atomic.Int64
}

func (s *stopped) serve(t *testing.T) string {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "tenfold-probe" {
			s.taken.Add(1)
		}
		if s.hang.Load() {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		io.WriteString(w, "stopped node")
	}))
	t.Cleanup(func() { close(release); srv.Close() })
	return srv.Listener.Addr().String()
}

func TestHangingNodeIsTakenOutAndItsRequestsMove(t *testing.T) {
	s := &stopped{}
	p := newPool(t, "balance: round-robin\nprobe: {interval: 30ms, timeout: 20ms, fall: 2}", s.serve(t), serve(t, answer("other")))
	s.hang.Store(true)
	postCtx, giveUp := context.WithCancel(t.Context())
	hanging := make(chan error, 1)
	go func() { // two in turn: one of them is on the node that hangs
		for range 2 {
			if _, _, err := send(postCtx, p, "POST", "x"); err != nil {
				hanging <- err
			}
		}
	}()
	await(t, "the node that hangs has a POST", func() bool { return s.taken.Load() == 1 })
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
				t.Errorf("GET: %q %v", body, err)
			}
		})
	}
	wg.Wait()
	for range 20 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
			t.Errorf("GET: %q %v", body, err)
		}
	}
	select {
	case err := <-hanging:
		t.Errorf("the POST on the hanging node was given up: %v; it may still be answered", err)
	default:
	}
	giveUp()
	<-hanging
	s.hang.Store(false)
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Error(err)
	}
}

func TestFailingNodeIsEjectedAndComesBack(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	var taken atomic.Int64
	bad := serve(t, func(w http.ResponseWriter, r *http.Request) {
		taken.Add(1)
		if failing.Load() {
			w.WriteHeader(502)
		}
	})
	p := newPool(t, "balance: round-robin\noutlier: {eject: 100ms}", bad, serve(t, answer("")), serve(t, answer("")))
	for range 60 {
		if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
			t.Fatalf("%d %v", status, err)
		}
	}
	if n := taken.Load(); n < 5 || n > 20 {
		t.Errorf("the failing node got %d requests, want about five per ejection", n)
	}
	failing.Store(false)
	taken.Store(0)
	await(t, "it gets requests again", func() bool {
		send(t.Context(), p, "GET", "")
		return taken.Load() > 3
	})
}

func TestEjectionKeepsEnoughNodes(t *testing.T) {
	for _, c := range []struct {
		nodes int
		share float64
		want  int
	}{{1, 0.5, 0}, {2, 0.5, 1}, {3, 0.5, 1}, {10, 0.5, 5}, {10, 1, 9}, {2, 0, 1}} {
		if got := mayEject(c.nodes, c.share); got != c.want {
			t.Errorf("%d nodes, share %v: %d may be out, want %d", c.nodes, c.share, got, c.want)
		}
	}
	all502 := func() string { return serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }) }
	p := newPool(t, "breaker: off", all502(), all502(), all502(), all502())
	for range 200 {
		if _, _, err := send(t.Context(), p, "GET", ""); err != nil {
			t.Fatalf("the nodes' own answer was lost: %v", err)
		}
	}
	if n := len(p.view.Load().members); n != 2 {
		t.Errorf("%d of 4 nodes left, want 2", n)
	}
}

func TestSuccessRateOutlier(t *testing.T) {
	for _, c := range []struct {
		rates []float64
		out   []bool
	}{
		{[]float64{1, 1, 1, 1, 0.6}, []bool{false, false, false, false, true}},
		{[]float64{1, 0.5}, []bool{false, false}},               // two nodes: who is the odd one?
		{[]float64{0.999, 0.998, 1, 0.997, 1}, make([]bool, 5)}, // even within a percent
		{[]float64{0.5, 0.5, 0.5, 0.5, 0.5}, make([]bool, 5)},   // all bad: not the nodes' fault
		{[]float64{1, 1, 1, 1, 1, 1, 1, 1, 0.9, 1}, []bool{8: true, 9: false}},
	} {
		limit := successLimit(c.rates, 1.9)
		for i, r := range c.rates {
			if got := r < limit; got != c.out[i] {
				t.Errorf("%v: node %d at %v is out: %v, want %v (limit %.3f)", c.rates, i, r, got, c.out[i], limit)
			}
		}
	}
}

func TestDrainWaitsForOldRequestsAndTakesNoNew(t *testing.T) {
	address, arrived, leave := gate(t)
	p := newPool(t, "balance: round-robin", address, serve(t, answer("other")))
	result := make(chan string, 1)
	go func() {
		for {
			_, body, _ := send(context.Background(), p, "GET", "")
			if body == "done" {
				result <- body
				return
			}
		}
	}()
	<-arrived
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(context.Background(), "shop-1") }()
	await(t, "it is draining", func() bool { return p.Nodes()[0].State == node.Draining })
	for range 10 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "other" || err != nil {
			t.Errorf("%q %v", body, err)
		}
	}
	select {
	case <-drained:
		t.Error("drained while a request was under way")
	default:
	}
	close(leave)
	if got := <-result; got != "done" {
		t.Errorf("the old request got %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainThatIsOverCancels(t *testing.T) {
	address, arrived, _ := gate(t)
	p := newPool(t, "", address)
	failed := make(chan error, 1)
	go func() {
		_, _, err := send(context.Background(), p, "POST", "x")
		failed <- err
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Drain(ctx, "shop-1"); err == nil || !strings.Contains(err.Error(), "cancelled 1") {
		t.Errorf("drain: %v", err)
	}
	if err := <-failed; !errors.Is(err, ErrDrained) {
		t.Errorf("request: %v, want %v", err, ErrDrained)
	}
	if err := p.Drain(ctx, "nobody"); err != nil {
		t.Errorf("drain of an unknown node: %v", err)
	}
}

func TestTimeouts(t *testing.T) {
	slow, arrived, _ := gate(t)
	p := newPool(t, "timeout: 50ms", slow)
	if _, _, err := send(t.Context(), p, "GET", ""); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want %v", err, ErrTimeout)
	}
	<-arrived
	select {
	case <-arrived:
		t.Error("a request whose time was up was sent again")
	default:
	}
	p = newPool(t, "timeout: 10s\nbalance: round-robin\nretry: {try_timeout: 50ms}", slow, serve(t, answer("fast")))
	for range 4 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "fast" || err != nil {
			t.Errorf("with a limit per try: %q %v", body, err)
		}
	}
}

func TestStickyCookieNamesANode(t *testing.T) {
	p := newPool(t, "sticky: pin", serve(t, answer("1")), serve(t, answer("2")), serve(t, answer("3")))
	req, _ := http.NewRequest("GET", "http://shop.example/", nil)
	resp, err := p.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	cookie := resp.Cookies()[0]
	for range 20 {
		_, body, err := send(t.Context(), p, "GET", "", "Cookie", cookie.Name+"="+cookie.Value)
		if err != nil || body != string(first) {
			t.Fatalf("pinned to %s, got %s, %v", first, body, err)
		}
	}
	p.Drain(t.Context(), "shop-"+string(first))
	if _, body, err := send(t.Context(), p, "GET", "", "Cookie", cookie.Name+"="+cookie.Value); err != nil || body == string(first) {
		t.Errorf("after its node is gone: %q %v", body, err)
	}
}

func TestNewNodeStartsSlowly(t *testing.T) {
	now := sinceEpoch()
	m := newMember(node.Node{ID: "shop-9", Address: "127.0.0.1:1"}, config.Service{SlowStart: 10 * time.Second})
	if m.Share(now) != 1 {
		t.Error("a node that does not warm has its full share")
	}
	m.warmFrom.Store(int64(now))
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{0, 0.1}, {500 * time.Millisecond, 0.1}, {5 * time.Second, 0.5}, {10 * time.Second, 1}, {0, 1}} {
		if got := m.Share(now + c.after); got != c.want {
			t.Errorf("after %v: %v, want %v", c.after, got, c.want)
		}
	}
}

func TestSlowStartOnlyBesideWarmNodes(t *testing.T) {
	a, b, c := serve(t, answer("")), serve(t, answer("")), serve(t, answer(""))
	p := newPool(t, "", a)
	p.service.SlowStart = time.Hour
	p.Update(setOf(a, b))
	if err := p.AwaitReady(t.Context(), "shop-2"); err != nil {
		t.Fatal(err)
	}
	if got := p.Nodes()[1].State; got != node.Ready {
		t.Errorf("a node that starts with its siblings is %v, want ready", got)
	}
	p.mu.Lock()
	p.members["shop-1"].upSince = time.Now().Add(-2 * time.Hour)
	p.mu.Unlock()
	p.Update(setOf(a, b, c))
	if err := p.AwaitReady(t.Context(), "shop-3"); err != nil {
		t.Fatal(err)
	}
	if got := p.Nodes()[2].State; got != node.Warming {
		t.Errorf("a new node beside a warm one is %v, want warming", got)
	}
}

func TestBreakerOpensAndAReadyNodeEndsIt(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	var probeFails atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "tenfold-probe" && !probeFails.Load() {
			return
		}
		if broken.Load() {
			w.WriteHeader(503)
		}
	}))
	t.Cleanup(s.Close)
	p := newPool(t, "probe: {interval: 20ms, timeout: 20ms, fall: 1}\nbreaker: {open: 1h}", s.Listener.Addr().String())
	var open *OpenError
	for range 40 {
		_, _, err := send(t.Context(), p, "POST", "x")
		if errors.As(err, &open) {
			break
		}
	}
	if open == nil || open.RetryAfter <= 0 || !errors.Is(open, ErrBreakerOpen) {
		t.Fatalf("the breaker did not open: %+v", open)
	}
	probeFails.Store(true)
	await(t, "the node is down", func() bool { return len(p.view.Load().members) == 0 })
	broken.Store(false)
	await(t, "the node is back", func() bool { return len(p.view.Load().members) == 1 })
	if status, _, err := send(t.Context(), p, "POST", "x"); status != 200 || err != nil {
		t.Errorf("once a node is ready again: %d %v", status, err)
	}
	if s := p.breaker.State(); s != breaker.Closed {
		t.Errorf("breaker is %v", s)
	}
}

// A server may close a connection that rests. What must not be sent twice does not go over one that rested for long, nor
// over one that is already closed.
func TestRestingConnections(t *testing.T) {
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(answer("ok"))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := newPool(t, "probe: {interval: 1h, timeout: 1s}", s.Listener.Addr().String())
	m := p.members["shop-1"]
	conns.Store(0)
	for range 5 {
		send(t.Context(), p, "POST", "x")
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("5 requests took %d connections, want 1", n)
	}
	m.conns.mu.Lock()
	m.conns.idle[0].since -= 2 * freshIdle
	m.conns.mu.Unlock()
	send(t.Context(), p, "GET", "")
	if n := conns.Load(); n != 1 {
		t.Errorf("a GET did not use the resting connection: %d connections", n)
	}
	m.conns.mu.Lock()
	m.conns.idle[0].since -= 2 * freshIdle
	m.conns.mu.Unlock()
	send(t.Context(), p, "POST", "x")
	if n := conns.Load(); n != 2 {
		t.Errorf("a POST over a connection that rested: %d connections, want a second one", n)
	}
	s.CloseClientConnections()
	for range 3 {
		if _, body, err := send(t.Context(), p, "POST", "x"); body != "ok" || err != nil {
			t.Errorf("after the server closed its connections: %q %v", body, err)
		}
	}
}

func TestStreamedBodyIsSentOnce(t *testing.T) {
	p := newPool(t, "balance: round-robin", serveRaw(t, func(nc net.Conn, r *http.Request) { io.ReadAll(r.Body) }), serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	failed, echoed := 0, 0
	for range 4 {
		req, _ := http.NewRequest("PUT", "http://shop.example/", io.MultiReader(strings.NewReader("of unknown length")))
		resp, err := p.RoundTrip(req)
		if err != nil {
			failed++
			continue
		}
		if b, _ := io.ReadAll(resp.Body); string(b) == "of unknown length" {
			echoed++
		}
		resp.Body.Close()
	}
	if failed != 2 || echoed != 2 {
		t.Errorf("%d failed, %d echoed; want 2 and 2: half of a body must never be sent again", failed, echoed)
	}
}

func TestAwaitReadySaysWhyItWaitedInVain(t *testing.T) {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	t.Cleanup(sick.Close)
	p := idlePool(t, "", sick.Listener.Addr().String())
	await(t, "it was probed", func() bool { return p.lastProbe("shop-1") != "" })
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("not ready in time")
	cancel(late)
	if err := p.AwaitReady(ctx, "shop-1"); !errors.Is(err, late) || err.Error() != "not ready in time: last probe: probe answered 500" {
		t.Errorf("%v", err)
	}
}
