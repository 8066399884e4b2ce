package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

func TestRetryMatrix(t *testing.T) {
	for _, c := range []struct {
		r      result
		want   bool
		reason string
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
		{result{method: "POST", replayable: true, keyed: true, status: 503}, true, ""},
		{result{method: "POST", replayable: true, keyed: true, status: 504}, false, "unsafe"},
		{result{method: "PUT", replayable: true, keyed: true, status: 504}, true, ""},
		{result{method: "PATCH", replayable: true, stage: client.Sent}, false, "unsafe"},
		{result{method: "BREW", replayable: true, stage: client.Sent}, false, "unsafe"},
	} {
		if got, reason := c.r.repeatable(); got != c.want || reason != c.reason {
			t.Errorf("%+v: %v %q, want %v %q", c.r, got, reason, c.want, c.reason)
		}
	}
}

// A node takes a request and dies. An idempotent request gets its response from the other node. A POST fails, and is
// never sent twice.
func TestNodeDiesWithARequest(t *testing.T) {
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
		p := newPool(t, "balance: least-conn", serveRaw(t, dies), serve(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			answered.Add(1)
			fmt.Fprintf(w, "got %s", b)
		}))
		p.members["shop-2"].inFlight.Add(3) // the other node looks busier, so that the dying node is picked first
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

// Nothing was sent to a node that refuses the connection, so that even a POST may be sent to another node.
func TestRefusedConnectionIsAlwaysRetried(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, "balance: round-robin", serve(t, respondWith("ok")), serve(t, respondWith("ok")))
	p.members["shop-1"].dialer.use(l.Addr().String())
	l.Close()
	for range 4 {
		if status, body, err := send(t.Context(), p, "POST", "order"); status != 200 || body != "ok" || err != nil {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
}

// A small response that breaks off in the middle is retried. The client does not get half of it.
func TestBrokenResponseIsRetried(t *testing.T) {
	var broken atomic.Int64
	breaks := serveRaw(t, func(nc net.Conn, r *http.Request) {
		broken.Add(1)
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly half")
	})
	p := newPool(t, "balance: round-robin", breaks, serve(t, respondWith("whole")))
	for range 4 {
		if _, body, err := send(t.Context(), p, "GET", ""); body != "whole" || err != nil {
			t.Errorf("%q %v", body, err)
		}
	}
	if broken.Load() == 0 {
		t.Error("the node with broken responses was never picked")
	}
}

func TestUnavailableResponseIsRetriedOnlyWhereSafe(t *testing.T) {
	busy := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	p := newPool(t, "balance: round-robin\nbreaker: off\noutlier: off", busy, serve(t, respondWith("ok")))
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
		t.Errorf("POSTs: %v, want the responses of both nodes passed on", posts)
	}
}

// A service sends 503 with Retry-After on every node, because something is missing that all its nodes need. The pool
// passes the response on: it neither retries nor counts a failure of the nodes.
func TestUnavailableWithRetryAfterIsPassedOn(t *testing.T) {
	var tries atomic.Int64
	asksToWait := func() string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" { // the probe
				return
			}
			tries.Add(1)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		})
	}
	p := newPool(t, "breaker: {min_requests: 2}\noutlier: {failures: 2}", asksToWait(), asksToWait(), asksToWait())
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

// While everything fails, the nodes get at most a tenth more requests than the clients sent.
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
	for i := range 500 {
		sendTo(t.Context(), p, fmt.Sprint("/", i%4), "GET", "")
	}
	t.Logf("figure: amplification-pool-breaker requests=500 tries=%d", tries.Load())
	if tries.Load() > 40 {
		t.Errorf("%d of 500 requests got past the breaker", tries.Load())
	}
}

func TestStreamedBodyIsSentOnce(t *testing.T) {
	dies := serveRaw(t, func(nc net.Conn, r *http.Request) { io.ReadAll(r.Body) })
	echoes := serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	p := newPool(t, "balance: round-robin", dies, echoes)
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
		t.Errorf("%d failed, %d echoed; want 2 and 2: the rest of a body must not be sent as a whole body", failed, echoed)
	}
}
