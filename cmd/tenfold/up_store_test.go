package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/status"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// tenfold starts while its store is away. Routes that need no store work, limits count for this gateway, and routes with
// idempotency answer 503. When the store is there, everything works, and each change was logged once.
func TestUpStartsWithoutItsStore(t *testing.T) {
	for name, host := range map[string]string{"refused": "127.0.0.1", "unknown name": "store.invalid"} {
		t.Run(name, func(t *testing.T) { startWithoutStore(t, host) })
	}
}

func startWithoutStore(t *testing.T, host string) {
	address := redistest.FreeAddr(t)
	_, port, _ := net.SplitHostPort(address)
	x := upWith(t, `
store: redis://:s3cret@`+host+`:`+port+`
services: {app: {run: service, nodes: 2, env: {SERVICE_JOURNAL: `+filepath.Join(t.TempDir(), "journal")+`}}}
routes:
  - {path: /, to: app}
  - {path: /orders, to: app, idempotency: required}
  - {path: /small, to: app, rate_limit: {rate: 3/h, caller: all}}
`)
	x.stderr.await(x, `store does not answer: tenfold starts without it`)
	if code, _ := x.visit("/", ""); code != http.StatusOK {
		t.Errorf("a route without policies: %d", code)
	}
	codes := map[int]int{}
	for range 5 {
		code, _ := x.visit("/small", "")
		codes[code]++
	}
	if codes[200] != 3 || codes[429] != 2 {
		t.Errorf("a route with a rate limit: %v", codes)
	}
	if code, text := x.visit("/orders/1", "order-1"); code != http.StatusServiceUnavailable || !strings.Contains(text, "store_unavailable") {
		t.Errorf("a route with idempotency: %d %s", code, text)
	}
	if said := x.verb("status"); !strings.Contains(said, "\nstore redis://***@"+host+":"+port+": DOES NOT ANSWER, for ") {
		t.Errorf("status: %s", said)
	}
	var s status.Store
	if x.read("/api/store", &s); s.Up || s.Err == "" || s.Since.IsZero() || x.metric("tenfold_store_up") != 0 {
		t.Errorf("/api/store: %+v", s)
	}
	if strings.Contains(x.stderr.String(), "s3cret") {
		t.Error("the log has the password of the store")
	}
	if host != "127.0.0.1" {
		x.stop()
		return
	}

	redis := exec.Command("redis-server", "--port", port, "--bind", host, "--requirepass", "s3cret", "--save", "")
	redis.Dir, redis.SysProcAttr = t.TempDir(), endWithTest()
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		redis.Process.Kill()
		redis.Wait()
	})
	x.await("the store answers", func() bool { x.read("/api/store", &s); return s.Up })
	x.await("orders work", func() bool { code, _ := x.visit("/orders/1", "order-1"); return code == http.StatusCreated })
	if said := x.verb("status"); strings.Contains(said, "store") {
		t.Errorf("status: %s", said)
	}
	x.await("limits count for all gateways", func() bool { return x.metric("tenfold_rate_limit_store_up") == 1 })
	if x.metric("tenfold_store_up") != 1 {
		t.Error("tenfold_store_up is not 1")
	}
	x.stop()
	for _, once := range []string{"store does not answer: tenfold starts without it", "store answers"} {
		if n := strings.Count(x.stderr.String(), once); n != 1 {
			t.Errorf("%q was logged %d times", once, n)
		}
	}
}

// upWith starts tenfold with a file.
func upWith(t *testing.T, file string) *running {
	t.Helper()
	return up(t, call{args: []string{"-f", "-", "--access", "off"}, stdin: file})
}

// visit sends a GET, or a POST with a key.
func (x *running) visit(path, key string) (code int, text string) {
	x.t.Helper()
	method := "GET"
	if key != "" {
		method = "POST"
	}
	req, err := http.NewRequest(method, x.url+path, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Sprint(err)
	}
	return resp.StatusCode, string(b)
}
