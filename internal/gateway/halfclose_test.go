package gateway

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client that ends its sending side after a request gets its response, also a slow one.
func TestClientThatHalfClosesGetsItsResponse(t *testing.T) {
	a, top := secure(t)
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		pause, _ := time.ParseDuration(r.URL.Query().Get("pause"))
		time.Sleep(pause)
		if r.URL.Path == "/stream" {
			for range 4 {
				io.WriteString(w, "some ")
				http.NewResponseController(w).Flush()
				time.Sleep(pause)
			}
		}
		fmt.Fprintf(w, "%s and done", body)
	}))
	var clients sync.WaitGroup
	plain, encrypted := start(t, "", "", node), start(t, top, "", node)
	for _, row := range []struct{ name, send, want string }{
		{"at once", "GET /p HTTP/1.1\r\nHost: a\r\n\r\n", " and done"},
		{"after a pause", "GET /p?pause=300ms HTTP/1.1\r\nHost: a\r\n\r\n", " and done"},
		{"HTTP/1.0", "GET /p?pause=300ms HTTP/1.0\r\n\r\n", " and done"},
		{"with a body", "POST /p?pause=300ms HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "body and done"},
		{"with chunks", "POST /p?pause=300ms HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "body and done"},
		{"stream", "GET /stream?pause=700ms HTTP/1.1\r\nHost: a\r\n\r\n", "some some some some  and done"},
		{"stream with long pauses", "GET /stream?pause=1300ms HTTP/1.1\r\nHost: a\r\n\r\n", "some some some some  and done"},
		{"long after", "GET /p?pause=3600ms HTTP/1.1\r\nHost: a\r\n\r\n", " and done"},
		{"long after, HTTP/1.0", "GET /p?pause=3600ms HTTP/1.0\r\n\r\n", " and done"},
		{"second request", "GET /p HTTP/1.1\r\nHost: a\r\n\r\nGET /p?pause=300ms HTTP/1.1\r\nHost: a\r\n\r\n", " and done and done"},
	} {
		for _, encrypt := range []bool{false, true} {
			clients.Go(func() {
				var nc net.Conn
				if encrypt {
					nc = tls.Client(dial(t, encrypted.addr), &tls.Config{RootCAs: a.pool, ServerName: "a"})
				} else {
					nc = dial(t, plain.addr)
				}
				io.WriteString(nc, row.send)
				if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Error(err)
				}
				if got := bodies(t, nc); got != row.want {
					t.Errorf("%s, TLS %v: got %q, want %q", row.name, encrypt, got, row.want)
				}
			})
		}
	}
	clients.Wait()
}

// bodies reads responses up to the end of the connection, and returns their bodies.
func bodies(t *testing.T, r io.Reader) string {
	var got strings.Builder
	for br := bufio.NewReader(r); ; {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return got.String()
		}
		if resp.StatusCode != 200 && resp.StatusCode != 100 {
			t.Errorf("status %s", resp.Status)
		}
		if _, err := io.Copy(&got, resp.Body); err != nil {
			t.Errorf("the response broke: %v", err)
		}
	}
}

// A client may also half-close while it reads.
func TestClientThatHalfClosesDuringTheResponse(t *testing.T) {
	f := start(t, "", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		for range 5 {
			io.WriteString(w, "some ")
			http.NewResponseController(w).Flush()
			time.Sleep(500 * time.Millisecond)
		}
	})))
	nc := dial(t, f.addr)
	io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	nc.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(resp.Body); string(got) != strings.Repeat("some ", 5) || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// After one direction of an upgraded connection has ended, the other one goes on for as long as it has to say something.
func TestUpgradedConnectionHalfClosed(t *testing.T) {
	const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	const ask = "GET /p HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	slowly := func(w io.Writer) {
		for range 4 {
			time.Sleep(500 * time.Millisecond)
			io.WriteString(w, "word ")
		}
	}
	const want = "word word word word "
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		f := start(t, "", "", serveRaw(t, func(nc net.Conn, _ *http.Request, br *bufio.Reader) {
			io.WriteString(nc, switched)
			got, _ := io.ReadAll(br)
			slowly(nc)
			nc.Write(got)
		}))
		nc := dial(t, f.addr)
		br := bufio.NewReader(nc)
		io.WriteString(nc, ask)
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		io.WriteString(nc, "end")
		nc.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(br); string(got) != want+"end" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		saw := make(chan string, 1)
		f := start(t, "", "", serveRaw(t, func(nc net.Conn, _ *http.Request, br *bufio.Reader) {
			io.WriteString(nc, switched)
			nc.(*net.TCPConn).CloseWrite()
			got, _ := io.ReadAll(br)
			saw <- string(got)
		}))
		nc := dial(t, f.addr)
		br := bufio.NewReader(nc)
		io.WriteString(nc, ask)
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		if got, err := io.ReadAll(br); len(got) > 0 || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		slowly(nc)
		nc.Close()
		if got := receive(t, "what the client says", saw); got != want {
			t.Errorf("the node got %q", got)
		}
	})
}
