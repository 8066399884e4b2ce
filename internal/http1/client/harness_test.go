package client

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// dial returns a connection to a server with handler h, and the URL of the server.
func dial(t testing.TB, h http.HandlerFunc) (*Conn, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(nc, nil)
	t.Cleanup(func() { c.Close() })
	return c, srv.URL
}

// peer returns a connection to a peer that runs the script and then closes the connection.
func peer(t testing.TB, script func(nc net.Conn, br *bufio.Reader)) *Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer server.Close()
		script(server, bufio.NewReader(server))
	})
	c := NewConn(client, nil)
	t.Cleanup(func() { c.Close(); server.Close(); wg.Wait() })
	return c
}

// readHead reads a request head and returns it.
func readHead(br *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := br.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// reply returns a script that reads one request head and writes s.
func reply(s string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(nc, s)
	}
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// roundTrip sends the request and returns the response with its whole body.
func roundTrip(t testing.TB, c *Conn, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read body after %q: %v", body, err)
	}
	resp.Body.Close()
	return resp, string(body)
}

// checkFailed checks the stage and the text of an error, and that the connection is no longer reusable.
func checkFailed(t testing.TB, c *Conn, err error, stage Stage, text string) {
	t.Helper()
	e := (*Error)(nil)
	if !errors.As(err, &e) || e.Stage != stage || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want stage %v and text %q", err, stage, text)
	}
	if c.Reusable() {
		t.Errorf("reusable after %v", err)
	}
}

// readOnly is a script that never answers.
func readOnly(_ net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) }
