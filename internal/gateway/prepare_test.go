package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
)

// next prepares another file for a running gateway.
func (f *front) next(t testing.TB, yaml string) (*Next, error) {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte("listen: 127.0.0.1:0\nadmin: off\n"+yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Prepare(t.Context(), cfg)
}

// change makes the gateway serve another file.
func (f *front) change(t testing.TB, yaml string) *Replaced {
	t.Helper()
	n, err := f.next(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return n.Commit()
}

// shopFile is a file with the service shop at one node. top is added to it.
func shopFile(node, top string) string {
	return top + "\nservices: {shop: {nodes: [\"" + node + "\"], slow_start: 0s}}\n"
}

// keepAlive sends requests on one connection, which must stay open.
type keepAlive struct {
	net.Conn
	in *bufio.Reader
}

func (f *front) keepAlive(t testing.TB) *keepAlive {
	nc := dial(t, f.addr)
	return &keepAlive{nc, bufio.NewReader(nc)}
}

func (k *keepAlive) get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		t.Fatalf("the connection does not answer any more: %v", err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func says200(t testing.TB, status int, body string) {
	t.Helper()
	if status != 200 {
		t.Errorf("got %d %s", status, body)
	}
}

// A change of routes and policies applies to the next request, also on an open connection. The pool stays.
func TestCommitReplacesRoutes(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {}))
	f := startFile(t, shopFile(node, "routes: [{path: /old, to: shop}]"))
	k := f.keepAlive(t)
	status, body := k.get(t, "/old")
	says200(t, status, body)
	pool := f.pools.get("shop")
	n, err := f.next(t, shopFile(node, "routes: [{path: /new, to: shop}]"))
	if err != nil {
		t.Fatal(err)
	}
	status, body = k.get(t, "/old")
	says200(t, status, body) // nothing has changed before Commit
	n.Commit()
	status, body = k.get(t, "/new")
	says200(t, status, body)
	if status, _ := k.get(t, "/old"); status != 404 {
		t.Errorf("the old route answers %d", status)
	}
	if f.pools.get("shop") != pool {
		t.Error("the service has another pool")
	}
}

// Requests that have begun before a change end as they began.
func TestRequestsKeepTheirConfiguration(t *testing.T) {
	node, arrived, release := slow(t)
	f := startFile(t, shopFile(node, ""))
	ended := make(chan int, 1)
	go func() {
		resp, err := http.Get(f.url("/"))
		if err != nil {
			t.Error(err)
			ended <- 0
			return
		}
		resp.Body.Close()
		ended <- resp.StatusCode
	}()
	receive(t, "the request", arrived)
	other := address(serve(t, func(w http.ResponseWriter, r *http.Request) {}))
	replaced := f.change(t, "services: {other: {nodes: [\""+other+"\"]}}\n")
	replaced.Finish()
	if resp, _ := f.get(t, "/"); resp.StatusCode != 503 && resp.StatusCode != 200 {
		t.Errorf("the new service answers %d", resp.StatusCode)
	}
	close(release)
	if status := receive(t, "the response", ended); status != 200 {
		t.Errorf("the old request got %d", status)
	}
}

// A limit of the engine applies to new connections. The old ones stay open.
func TestChangedLimitsCloseNoConnection(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {}))
	f := startFile(t, shopFile(node, ""))
	old := f.keepAlive(t)
	status, body := old.get(t, "/")
	says200(t, status, body)
	long := "/" + strings.Repeat("x", 2000)
	for range 3 {
		f.change(t, shopFile(node, "limits: {uri_bytes: 1KiB}"))
	}
	status, body = old.get(t, "/")
	says200(t, status, body)
	if status, _ := f.keepAlive(t).get(t, long); status != 414 {
		t.Errorf("a new connection gets %d for a long path, want 414", status)
	}
	f.change(t, shopFile(node, ""))
	status, body = f.keepAlive(t).get(t, long)
	says200(t, status, body)
	old.Close()
	await(t, "only the engines with connections are left", func() bool { return len(f.listeners()[0].frontends()) <= 2 })
}

// A failed listener keeps the old configuration. Removed addresses are closed, new ones are open.
func TestListenersFollowTheConfiguration(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {}))
	f := startFile(t, shopFile(node, ""))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := free.Addr().String()
	with := func(addresses ...string) *config.Config {
		cfg, err := config.Parse("test.yaml", []byte("admin: off\n"+shopFile(node, "")), nil)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Listen = addresses
		return cfg
	}
	if _, err := f.Prepare(t.Context(), with("127.0.0.1:0", other)); !errors.As(err, new(*ListenError)) {
		t.Fatalf("an address in use: %v", err)
	}
	resp, _ := f.get(t, "/")
	says200(t, resp.StatusCode, "")
	free.Close()
	n, err := f.Prepare(t.Context(), with("127.0.0.1:0", other))
	if err != nil {
		t.Fatal(err)
	}
	n.Abort()
	if nc, err := net.Dial("tcp", other); err == nil {
		nc.Close()
		t.Error("the new address is open after Abort")
	}
	if n, err = f.Prepare(t.Context(), with(other)); err != nil {
		t.Fatal(err)
	}
	old := f.keepAlive(t)
	old.get(t, "/")
	n.Commit()
	if resp, err := http.Get("http://" + other + "/"); err != nil || resp.StatusCode != 200 {
		t.Errorf("the new address: %v %v", resp, err)
	}
	if nc, err := net.Dial("tcp", f.addr); err == nil {
		nc.Close()
		t.Error("the old address is still open")
	}
	if _, err := old.in.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection of the old address: %v", err)
	}
	await(t, "the old listener is gone", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.closing) == 0 })
}

// A WebSocket goes on over a change.
func TestWebSocketsOutliveAChange(t *testing.T) {
	node := chat(t)
	f := startFile(t, shopFile(node, ""))
	ctx, c := dialChat(t, f, nil)
	says(t, ctx, c, "before")
	for i := range 10 {
		f.change(t, shopFile(node, fmt.Sprintf("limits: {header_lines: %d}", 100+i)))
	}
	if got := says(t, ctx, c, "after"); got != "after" {
		t.Errorf("got %q", got)
	}
}

// A gateway whose Run ends during a change does not open the new addresses.
func TestCommitAfterTheEnd(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {}))
	f := startFile(t, shopFile(node, ""))
	cfg := *f.current.Load().cfg
	cfg.Listen = []string{"127.0.0.1:0", "127.0.0.1:0"}
	n, err := f.Prepare(context.Background(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	opened := n.places[1].socket.Addr().String()
	f.kill()
	n.Commit()
	if nc, err := net.Dial("tcp", opened); err == nil {
		nc.Close()
		t.Error("the new address is open")
	}
}
