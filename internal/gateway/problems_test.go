package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
)

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
		for i := range 4 {
			f.get(t, fmt.Sprint("/p", i))
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
