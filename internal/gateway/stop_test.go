package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// slow starts a node whose responses wait for release.
func slow(t testing.TB) (addr string, arrived, release chan bool) {
	arrived, release = make(chan bool, 10), make(chan bool, 10)
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		io.Copy(io.Discard, r.Body) // else net/http would not notice that the client disconnects
		select {
		case <-release:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})), arrived, release
}

// stopping cancels Run. It returns when the gateway accepts no more connections.
func (f *front) stopping(t testing.TB) {
	t.Helper()
	f.cancel()
	await(t, "new connections are refused", func() bool {
		nc, err := net.Dial("tcp", f.addr)
		if err == nil {
			nc.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// A gateway that stops finishes its requests, and closes idle connections at once.
func TestStopLetsRequestsFinish(t *testing.T) {
	node, arrived, release := slow(t)
	f := start(t, "", "", node)
	idle := dial(t, f.addr)
	busy := dial(t, f.addr)
	io.WriteString(busy, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, "the request", arrived)
	release <- true
	busyReader := bufio.NewReader(busy)
	if resp, err := http.ReadResponse(busyReader, nil); err != nil || resp.Close {
		t.Fatal(resp, err)
	} else {
		io.Copy(io.Discard, resp.Body)
	}
	io.WriteString(idle, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, "the request", arrived)
	release <- true
	idleReader := bufio.NewReader(idle)
	if resp, err := http.ReadResponse(idleReader, nil); err != nil {
		t.Fatal(err)
	} else {
		io.Copy(io.Discard, resp.Body)
	}
	io.WriteString(busy, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n") // on the kept connection
	receive(t, "the request", arrived)

	f.stopping(t)
	if _, err := idleReader.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v", err)
	}
	select {
	case err := <-f.ended:
		t.Fatalf("Run returned %v while a request was in progress", err)
	default:
	}
	release <- true
	resp, err := http.ReadResponse(busyReader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "done" || err != nil || !resp.Close {
		t.Errorf("got %q, %v, %v", body, err, resp.Header)
	}
	err = receive(t, "Run to end", f.ended)
	f.ended <- err
	if err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// After the drain, the gateway cancels the remaining requests, on nodes and in the queue. Then Run returns.
func TestStopCancelsAfterTheDrain(t *testing.T) {
	node, arrived, _ := slow(t)
	f := start(t, "drain: 300ms", "limit: {in_flight: 1, wait: 1m}", node)
	one, two := dial(t, f.addr), dial(t, f.addr)
	io.WriteString(one, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, "the request", arrived)
	io.WriteString(two, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	await(t, "the second request is in the queue", func() bool { return f.counted(t)["tenfold_upstream_queued{service=shop}"] == 1 })
	f.stopping(t)
	err := receive(t, "Run to end", f.ended)
	f.ended <- err
	if err != nil {
		t.Errorf("Run returned %v", err)
	}
	for _, nc := range []net.Conn{one, two} {
		if got, _ := io.ReadAll(nc); len(got) > 0 {
			t.Errorf("got %q", got)
		}
	}
	if log := f.events.text(); !strings.Contains(log, "drain is over") {
		t.Errorf("the log does not say that requests were cancelled: %s", log)
	}
	if n := len(f.access.list()); n != 2 {
		t.Errorf("%d records when Run had returned", n)
	}
}

// Kill ends the drain at once, as at the second signal.
func TestKillEndsTheDrain(t *testing.T) {
	node, arrived, _ := slow(t)
	f := start(t, "drain: 1h", "", node)
	nc := dial(t, f.addr)
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, "the request", arrived)
	f.stopping(t)
	f.Kill()
	err := receive(t, "Run to end", f.ended)
	f.ended <- err
	if err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// WebSockets stay open until the end of the drain. Run ends early when the last of them closes.
func TestStopAndWebSockets(t *testing.T) {
	t.Run("they close", func(t *testing.T) {
		f := start(t, "drain: 1h", "", chat(t))
		ctx, c := dialChat(t, f, nil)
		says(t, ctx, c, "hello")
		f.stopping(t)
		if got := says(t, ctx, c, "still here?"); got != "still here?" {
			t.Errorf("got %q", got)
		}
		c.Close(1000, "bye")
		f.ended <- receive(t, "Run to end", f.ended)
	})
	t.Run("they are still open", func(t *testing.T) {
		f := start(t, "drain: 200ms", "", chat(t))
		ctx, c := dialChat(t, f, nil)
		says(t, ctx, c, "hello")
		f.stopping(t)
		f.ended <- receive(t, "Run to end", f.ended)
		if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("the connection is open: %v", err)
		}
	})
}

// A gateway that has stopped has no goroutine, whatever was in progress.
func TestStopEndsAllGoroutines(t *testing.T) {
	node, arrived, _ := slow(t)
	ws := chat(t)
	before := runtime.NumGoroutine()
	for range 3 {
		f := startFile(t, fmt.Sprintf("drain: 10ms\nservices: {slow: {nodes: [%q]}, chat: {nodes: [%q]}}\nroutes: [{path: /, to: slow}, {path: /chat, to: chat}]", node, ws))
		ctx, c := dialChat(t, f, nil)
		says(t, ctx, c, "hello")
		nc := dial(t, f.addr)
		io.WriteString(nc, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
		receive(t, "the request", arrived)
		silent := dial(t, f.addr)
		f.cancel()
		f.ended <- receive(t, "Run to end", f.ended)
		nc.Close()
		silent.Close()
		c.CloseNow()
	}
	await(t, "their goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// A connection without a request, as browsers keep in reserve, does not delay the stop. (net/http waits five seconds
// for the first request on it.)
func TestStopDoesNotWaitForSilentConnections(t *testing.T) {
	node, _, _ := slow(t)
	f := start(t, "", "", node)
	nc := dial(t, f.addr)
	await(t, "the connection is accepted", func() bool { return f.counted(t)["active_connections"] == 1 })
	begun := time.Now()
	f.cancel()
	f.ended <- receive(t, "Run to end", f.ended)
	t.Logf("stopped after %v", time.Since(begun).Round(time.Millisecond))
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection: %v", err)
	}
}

// Listen reports a port that is in use, with a hint, and closes the other addresses.
func TestListenOnAPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, hint := range map[string]string{
		taken.Addr().String(): "another program uses this port",
		"192.0.2.1:8080":      "this machine does not have that address",
	} {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		free.Close()
		cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, "listen: [%q, %q]\nadmin: off\nservices: {shop: {nodes: [\"127.0.0.1:1\"]}}", free.Addr(), address), nil)
		if err != nil {
			t.Fatal(err)
		}
		g, err := New(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = g.Listen()
		var e *ListenError
		if !errors.As(err, &e) || e.Address != address || !strings.HasPrefix(err.Error(), "listen on "+address+": ") || !strings.HasPrefix(e.Hint(), hint) {
			t.Errorf("%s: %v, hint %q", address, err, e.Hint())
		}
		if _, err := net.Dial("tcp", free.Addr().String()); err == nil {
			t.Error("the other address is still open")
		}
	}
}

// Run ends when a listener fails. The error names the listener.
func TestRunEndsWithItsListener(t *testing.T) {
	node, _, _ := slow(t)
	f := start(t, "", "", node)
	f.listeners()[0].socket.Close()
	err := receive(t, "Run to end", f.ended)
	f.ended <- err
	if err == nil || !strings.HasPrefix(err.Error(), "serve "+f.addr) {
		t.Errorf("Run returned %v", err)
	}
}

// New reports a certificate that cannot be loaded.
func TestBadCertificate(t *testing.T) {
	_, err := New(&config.Config{TLS: &config.TLS{Cert: "/no/such.pem", Key: "/no/such.key"}}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), `load certificate "/no/such.pem": `) {
		t.Errorf("got %v", err)
	}
}
