package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// chat starts a node that sends each message back, and closes with CODE after the message "close CODE".
func chat(t testing.TB) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			var code int
			if _, err := fmt.Sscanf(string(data[:min(len(data), 20)]), "close %d", &code); err == nil {
				c.Close(websocket.StatusCode(code), "requested")
				return
			}
			if c.Write(r.Context(), kind, data) != nil {
				return
			}
		}
	}))
}

func dialChat(t testing.TB, f *front, o *websocket.DialOptions) (context.Context, *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	url := "ws://" + f.addr + "/chat"
	if o != nil && o.HTTPClient != nil {
		url = "wss://" + f.addr + "/chat"
	}
	c, _, err := websocket.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return ctx, c
}

// says sends a message and returns the next message of the node.
func says(t testing.TB, ctx context.Context, c *websocket.Conn, message string) string {
	t.Helper()
	if err := c.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
	_, data, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWebSocket(t *testing.T) {
	a, top := secure(t)
	for name, top := range map[string]string{"plain": "", "TLS": top} {
		t.Run(name, func(t *testing.T) {
			f := start(t, top, "", chat(t))
			o := &websocket.DialOptions{Subprotocols: []string{"other", "chat"}}
			if top != "" {
				o.HTTPClient = secureClient(t, a, false)
				o.HTTPClient.Timeout = 0
			}
			ctx, c := dialChat(t, f, o)
			if c.Subprotocol() != "chat" {
				t.Errorf("protocol %q", c.Subprotocol())
			}
			large := strings.Repeat("large ", 500_000)
			for _, m := range []string{"hello", "", large} {
				if got := says(t, ctx, c, m); got != m {
					t.Errorf("sent %d bytes, got %d back", len(m), len(got))
				}
			}
			if n := f.counted(t)["active_connections"]; n != 1 {
				t.Errorf("%v active connections", n)
			}
			reading := c.CloseRead(ctx) // a reader must read the pongs
			if err := c.Ping(ctx); err != nil {
				t.Errorf("ping: %v", err)
			}
			c.CloseNow()
			<-reading.Done()
			await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
			rec := f.access.wait(t, 1)[0]
			if rec["status"] != int64(101) || rec["node"] != "shop-1" || rec["err"] != nil || rec["reason"] != nil {
				t.Errorf("record %v", rec)
			}
			await(t, "no connection is active", func() bool { return f.counted(t)["active_connections"] == 0 })
		})
	}
}

// Close codes reach the other side, in both directions.
func TestWebSocketCloseCodes(t *testing.T) {
	f := start(t, "", "", chat(t))
	for _, code := range []websocket.StatusCode{1000, 1001, 1011, 4321} {
		ctx, c := dialChat(t, f, nil)
		c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "close %d", code))
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != code || !strings.Contains(err.Error(), "requested") {
			t.Errorf("%d: %v", code, err)
		}
		_, c = dialChat(t, f, nil)
		if err := c.Close(code, "bye"); err != nil {
			t.Errorf("close with %d: %v", code, err)
		}
	}
}

// A drain keeps upgraded connections until it ends, and then closes them. They hold no slot of the node.
func TestDrainClosesWebSockets(t *testing.T) {
	f := start(t, "", "limit: 1", chat(t), chat(t))
	var conns []*websocket.Conn
	var ctx context.Context
	for range 6 { // three times the limit of requests in flight
		var c *websocket.Conn
		ctx, c = dialChat(t, f, nil)
		says(t, ctx, c, "hello")
		conns = append(conns, c)
	}
	on := f.InFlight("shop-1")
	if on == 0 || on+f.InFlight("shop-2") != 6 {
		t.Fatalf("%d and %d connections", on, f.InFlight("shop-2"))
	}
	drain, cut := context.WithCancel(ctx)
	drained := make(chan error, 1)
	go func() { drained <- f.Drain(drain, "shop", "shop-1") }()
	await(t, "the node is draining", func() bool { return f.Nodes("shop")[0].State.String() == "draining" })
	for _, c := range conns {
		if got := says(t, ctx, c, "still here?"); got != "still here?" {
			t.Errorf("got %q", got)
		}
	}
	cut()
	if err := receive(t, "the drain to end", drained); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("cancelled %d requests", on)) {
		t.Errorf("drain: %v, want %d cancelled", err, on)
	}
	alive := 0
	for _, c := range conns {
		c.Write(ctx, websocket.MessageText, []byte("and now?"))
		if _, _, err := c.Read(ctx); err == nil {
			alive++
		}
	}
	if alive != 6-on {
		t.Errorf("%d connections are open, %d were on the other node", alive, 6-on)
	}
}

// Only upgrades to websocket pass, and only if the node accepts them.
func TestUpgradeThatIsRefused(t *testing.T) {
	const ask = "GET /p HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for _, row := range []struct{ name, says, want string }{
		{"refused", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 403 Forbidden"},
		{"answered 200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK"},
		{"answered 200 with Upgrade", "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK"},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 502 Bad Gateway"},
		{"no protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 502 Bad Gateway"},
		{"no Connection", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 502 Bad Gateway"},
		{"agreed", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nKeep-Alive: x\r\nX: y\r\n\r\nhello",
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: y\r\n\r\nhello"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := start(t, "", "retry: off", serveRaw(t, responds(row.says)))
			nc := dial(t, f.addr)
			io.WriteString(nc, ask)
			all := make([]byte, len(row.want))
			if strings.HasSuffix(row.want, "hello") { // the whole response
				all = make([]byte, len(row.want)+len("X-Request-Id: \r\n")+32)
			}
			if _, err := io.ReadFull(nc, all); withoutOwn(string(all)) != row.want {
				t.Errorf("got %q, %v; want %q", all, err, row.want)
			}
			nc.Close()
			await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
			f.access.wait(t, 1)
		})
	}
}

// Bytes that a client sends before the upgrade is accepted reach the node after it.
func TestUpgradeWithEarlyData(t *testing.T) {
	f := start(t, "", "", serveRaw(t, func(nc net.Conn, r *http.Request, br *bufio.Reader) {
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(nc, br)
	}))
	nc := dial(t, f.addr)
	const early, late = "early \x00\n", " and late"
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+early)
	br := bufio.NewReader(nc)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	io.WriteString(nc, late)
	got := make([]byte, len(early+late))
	if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, []byte(early+late)) {
		t.Errorf("got %q, %v", got, err)
	}
}

// Bytes that are in transit when one side closes still reach the other side.
func TestUpgradedConnectionLosesNoByteAtItsEnd(t *testing.T) {
	const size = 3 << 20
	f := start(t, "", "", serveRaw(t, func(nc net.Conn, r *http.Request, br *bufio.Reader) {
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		go func() {
			io.Copy(nc, &pattern{left: size})
			nc.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(io.Discard, br)
	}))
	want, _ := sumOf(&pattern{left: size})
	nc := dial(t, f.addr)
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	stop := make(chan struct{})
	go func() { // the client sends while the node closes
		defer close(stop)
		for {
			if _, err := io.WriteString(nc, "some words\n"); err != nil {
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
	}()
	br := bufio.NewReader(nc)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	got, err := sumOf(br)
	if got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	nc.Close()
	<-stop
}
