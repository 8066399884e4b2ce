package gateway

import (
	"fmt"
	"io"
	"maps"
	"net/http"
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
		if id, _ := rec["request_id"].(string); len(id) != 32 {
			t.Errorf("request_id %q", id)
		}
		delete(rec, "took_ms")
		delete(rec, "request_id")
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
