package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// The access log has one record per request. The record identifies the request and contains no secret.
func TestAccessLog(t *testing.T) {
	var calls atomic.Int64
	f := startFile(t, fmt.Sprintf(`
services: {shop: {nodes: [%q]}}
routes: [{host: shop.example, path: /api, to: shop}]`, address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/retried" && calls.Add(1) == 1:
			w.WriteHeader(503)
		default:
			w.Header().Set("Set-Cookie", "session=secret-6")
			w.WriteHeader(201)
			io.WriteString(w, "secret-7")
		}
	}))))
	secret := []string{"Host", "shop.example", "Authorization", "Bearer secret-1", "Cookie", "session=secret-2", "X-Api-Key", "secret-3"}
	for i, c := range []struct {
		method, path string
		header       []string
		want         map[string]any // in addition to method, path and the attributes of every record
	}{
		{"POST", "/api/x?token=secret-4", secret, map[string]any{"status": int64(201), "bytes": int64(8), "service": "shop", "node": "shop-1", "tries": int64(1), "host": "shop.example"}},
		{"HEAD", "/api/x", secret, map[string]any{"status": int64(201), "bytes": int64(0), "service": "shop", "node": "shop-1", "tries": int64(1), "host": "shop.example"}},
		{"GET", "/api/retried", secret, map[string]any{"status": int64(201), "bytes": int64(8), "service": "shop", "node": "shop-1", "tries": int64(2), "host": "shop.example"}},
		{"GET", "/x?token=secret-4", secret, map[string]any{"status": int64(404), "reason": "no_route", "host": "shop.example"}},
		{"GET", "/api/../x?token=secret-4", secret, map[string]any{"status": int64(400), "reason": "path", "host": "shop.example"}},
		{"TRACE", "/x", secret, map[string]any{"status": int64(405), "reason": "method", "host": "shop.example"}},
		{"GET", "/" + strings.Repeat("x", 1000), secret, map[string]any{"status": int64(404), "reason": "no_route", "path": "/" + strings.Repeat("x", 511) + "...", "host": "shop.example"}},
	} {
		f.do(t, c.method, c.path, strings.NewReader("secret-5"), c.header...)
		rec := f.access.wait(t, i+1)[i]
		c.want["method"], c.want["client"], c.want["proto"], c.want["msg"] = c.method, "127.0.0.1", "HTTP/1.1", "request"
		if c.want["path"] == nil {
			c.want["path"], _, _ = strings.Cut(c.path, "?")
		}
		if c.want["bytes"] == nil {
			c.want["bytes"] = rec["bytes"]
		}
		if ms, ok := rec["took_ms"].(float64); !ok || ms < 0 {
			t.Errorf("took_ms %v", rec["took_ms"])
		}
		delete(rec, "took_ms")
		delete(rec, "level")
		if !maps.Equal(rec, c.want) {
			t.Errorf("%s %s:\ngot  %v\nwant %v", c.method, c.path, rec, c.want)
		}
	}
	if n := len(f.access.list()); n != 7 {
		t.Errorf("%d records of 7 requests", n)
	}
	if all := f.access.text() + f.events.text(); strings.Contains(all, "secret") {
		t.Errorf("a secret was logged: %s", all)
	}
}

// The access log shows a request that the engine refuses, as far as it could be parsed.
func TestAccessLogOfRefusedRequests(t *testing.T) {
	f := start(t, "", "", named(t, "shop"))
	for i, c := range []struct{ send, method, path, host string }{
		{"GET /p?token=secret HTTP/1.1\r\nHost: shop.example\r\nX : y\r\n\r\n", "GET", "/p", ""},
		{"POST /p HTTP/1.1\r\nHost: shop.example\r\nContent-Length: x\r\n\r\n", "POST", "/p", ""},
		{"nonsense\r\n\r\n", "GET", "/", ""},
	} {
		sendRaw(t, f.addr, c.send)
		rec := f.access.wait(t, i+1)[i]
		if rec["method"] != c.method || rec["path"] != c.path || rec["status"] != int64(400) || rec["reason"] != "malformed" || rec["client"] != "127.0.0.1" {
			t.Errorf("%q: %v", c.send, rec)
		}
	}
}

// The metrics have the names that dashboards expect. A client cannot choose the value of a label.
func TestMetrics(t *testing.T) {
	release := make(chan bool)
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-release
		}
		w.WriteHeader(202)
	})))
	nc := dial(t, f.addr)
	br := bufio.NewReader(nc)
	for _, method := range []string{"GET", "GET", "HEAD", "POST", "BREW", "XXXX", "MKCOL"} {
		fmt.Fprintf(nc, "%s /p HTTP/1.1\r\nHost: %s.example\r\nContent-Length: 0\r\n\r\n", method, strings.ToLower(method))
		if resp, err := http.ReadResponse(br, &http.Request{Method: method}); err != nil || resp.StatusCode != 202 {
			t.Fatal(resp, err)
		}
	}
	io.WriteString(nc, "GET /../p HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	hold := dial(t, f.addr)
	io.WriteString(hold, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	await(t, "the node holds the request", func() bool { return f.InFlight("shop-1") == 1 })
	f.access.wait(t, 8)
	got := f.counted(t)
	for name, want := range map[string]float64{
		"http_requests_total{code=202 method=GET service=shop}":   2,
		"http_requests_total{code=202 method=HEAD service=shop}":  1,
		"http_requests_total{code=202 method=POST service=shop}":  1,
		"http_requests_total{code=202 method=other service=shop}": 3,
		"http_requests_total{code=400 method=GET service=}":       1,
		"http_request_duration_seconds{service=shop}":             7,
		"http_request_duration_seconds{service=}":                 1,
		"active_connections":                          2,
		"tenfold_upstream_in_flight{service=shop}":    1,
		"tenfold_upstream_nodes_usable{service=shop}": 1,
		"tenfold_upstream_queued{service=shop}":       0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "http_requests_total") && !slices.Contains([]string{"202", "400"}, name[len("http_requests_total{code="):][:3]) {
			t.Errorf("unexpected metric %s", name)
		}
	}
	close(release)
	nc.Close()
	hold.Close()
	await(t, "no connection is active", func() bool { return f.counted(t)["active_connections"] == 0 })
}

// An unknown status passes unchanged. Statuses above 599 are counted as 599.
func TestMetricsOfUnknownStatuses(t *testing.T) {
	f := start(t, "", "retry: off\noutlier: off", serveRaw(t, func(nc net.Conn, r *http.Request, _ *bufio.Reader) {
		fmt.Fprintf(nc, "HTTP/1.1 %s Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", r.URL.Path[1:])
	}))
	for status, want := range map[string]int{"599": 599, "299": 299, "600": 600, "999": 999} {
		resp, _ := f.get(t, "/"+status)
		if resp.StatusCode != want {
			t.Errorf("%s: got %d", status, resp.StatusCode)
		}
	}
	f.access.wait(t, 4)
	got := f.counted(t)
	if got["http_requests_total{code=299 method=GET service=shop}"] != 1 || got["http_requests_total{code=599 method=GET service=shop}"] != 3 {
		t.Errorf("counted %v", got)
	}
}

// All responses of the gateway itself have the same form.
func TestProblems(t *testing.T) {
	hold := make(chan bool)
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold":
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		case "/500":
			w.WriteHeader(500)
		}
	}))
	t.Run("no_route", func(t *testing.T) {
		f := startFile(t, fmt.Sprintf("services: {shop: {nodes: [%q]}}\nroutes: [{path: /a, to: shop}]", node))
		resp, body := f.get(t, "/b")
		if reason := problemOf(t, resp, body); resp.StatusCode != 404 || reason != "no_route" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		f := start(t, "", "timeout: 50ms", node)
		resp, body := f.get(t, "/hold")
		if reason := problemOf(t, resp, body); resp.StatusCode != 504 || reason != "timeout" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
	})
	t.Run("busy", func(t *testing.T) {
		f := start(t, "", "limit: {in_flight: 1, queue: 1, wait: 300ms}", node)
		one := dial(t, f.addr)
		io.WriteString(one, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
		await(t, "the node holds the request", func() bool { return f.InFlight("shop-1") == 1 })
		two := dial(t, f.addr)
		io.WriteString(two, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
		await(t, "the next request is in the queue", func() bool { return f.counted(t)["tenfold_upstream_queued{service=shop}"] == 1 })
		resp, body := f.get(t, "/p")
		if reason := problemOf(t, resp, body); resp.StatusCode != 503 || reason != "queue_full" || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s, Retry-After %q", resp.StatusCode, reason, resp.Header.Get("Retry-After"))
		}
		resp, err := http.ReadResponse(bufio.NewReader(two), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		if reason := problemOf(t, resp, string(text)); resp.StatusCode != 503 || reason != "queue_timeout" || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s, Retry-After %q", resp.StatusCode, reason, resp.Header.Get("Retry-After"))
		}
		if rec := f.access.wait(t, 2)[1]; rec["reason"] != "queue_timeout" {
			t.Errorf("record %v", rec)
		}
	})
	t.Run("no_node", func(t *testing.T) {
		f := start(t, "", "", node)
		f.Update(setOf("shop"))
		await(t, "there are no nodes", func() bool { return len(f.Nodes("shop")) == 0 })
		resp, body := f.get(t, "/p")
		if reason := problemOf(t, resp, body); resp.StatusCode != 503 || reason != "no_node" || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
		resp, body = f.do(t, "HEAD", "/p", nil)
		if resp.StatusCode != 503 || body != "" || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("HEAD: %d %q", resp.StatusCode, body)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		dies := serve(t, func(http.ResponseWriter, *http.Request) {})
		f := start(t, "", "", address(dies))
		dies.Close()
		resp, body := f.do(t, "POST", "/p", nil)
		if reason := problemOf(t, resp, body); resp.StatusCode != 503 || reason != "unreachable" || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
	})
	t.Run("breaker_open", func(t *testing.T) {
		f := start(t, "", "retry: off\nbreaker: {min_requests: 2, open: 1m}", address(serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })))
		for range 2 {
			f.get(t, "/p")
		}
		resp, body := f.get(t, "/p")
		if reason := problemOf(t, resp, body); resp.StatusCode != 503 || reason != "breaker_open" || resp.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
	})
	t.Run("drained", func(t *testing.T) {
		node, arrived, _ := slow(t)
		f := start(t, "", "", node)
		nc := dial(t, f.addr)
		io.WriteString(nc, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		receive(t, "the request to arrive", arrived)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		f.Drain(over, "shop", "shop-1")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		if reason := problemOf(t, resp, string(text)); resp.StatusCode != 503 || reason != "drained" {
			t.Errorf("got %d %s", resp.StatusCode, reason)
		}
	})
	close(hold)
}
