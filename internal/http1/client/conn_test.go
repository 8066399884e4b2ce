package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

func TestConnectionIsReused(t *testing.T) {
	addresses := map[string]bool{}
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		addresses[r.RemoteAddr] = true
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Path", r.URL.RequestURI())
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		w.Write([]byte(r.Method + " "))
		w.Write(body)
	})
	large := strings.Repeat("large ", 100_000)
	for _, test := range []struct {
		method, path string
		body         io.Reader
		want         string
	}{
		{"GET", "/a?b=c%20d", nil, "GET "},
		{"POST", "/small", strings.NewReader("in memory"), "POST in memory"},
		{"POST", "/large", strings.NewReader(large), "POST " + large},
		{"PUT", "/chunked", io.MultiReader(strings.NewReader("strea"), strings.NewReader("med")), "PUT streamed"},
		{"POST", "/large", io.MultiReader(strings.NewReader(large)), "POST " + large},
		{"POST", "/none", nil, "POST "},
		{"HEAD", "/a", nil, ""},
		{"GET", "/chunked", nil, "GET "},
	} {
		resp, body := roundTrip(t, c, request(t, test.method, url+test.path, test.body))
		if body != test.want || resp.StatusCode != 200 || resp.Header.Get("X-Path") != test.path {
			t.Errorf("%s %s: %s %.50q (%d bytes)", test.method, test.path, resp.Status, body, len(body))
		}
		if !c.Reusable() || c.Stale() {
			t.Fatalf("%s %s: reusable %v, stale %v", test.method, test.path, c.Reusable(), c.Stale())
		}
		if c.buf != nil {
			t.Errorf("%s %s: the idle connection has a buffer", test.method, test.path)
		}
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections", len(addresses))
	}
}

func TestResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	body := strings.Repeat("0123456789", 5000)
	for _, test := range []struct {
		name, method, send string
		status             int
		body               string
		length             int64
		reusable           bool
	}{
		{"length", "GET", ok + "Content-Length: 3\r\n\r\nabc", 200, "abc", 3, true},
		{"empty", "GET", ok + "Content-Length: 0\r\n\r\n", 200, "", 0, true},
		{"large", "GET", ok + "Content-Length: 50000\r\n\r\n" + body, 200, body, 50000, true},
		{"chunked", "GET", ok + "Transfer-Encoding: CHUNKED\r\n\r\n3;x=y\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n", 200, "abc0123456789", -1, true},
		{"large chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\nc350\r\n" + body + "\r\n0\r\n\r\n", 200, body, -1, true},
		{"until close", "GET", ok + "\r\n" + body, 200, body, -1, false},
		{"HEAD with length", "HEAD", ok + "Content-Length: 3\r\n\r\n", 200, "", 3, true},
		{"HEAD chunked", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", 200, "", -1, true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, true},
		{"204 announces a body", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, "", 0, false},
		{"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, "", 0, true},
		{"no reason", "GET", "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", 299, "", 0, true},
		{"empty reason", "GET", "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", 299, "", 0, true},
		{"close", "GET", ok + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, false},
		{"close in a list", "GET", ok + "Connection: x, Close\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, false},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, false},
		{"HTTP/1.0 keeps alive", "GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", 3, true},
		{"bytes after the body", "GET", ok + "Content-Length: 3\r\n\r\nabcd", 200, "abc", 3, false},
		{"bytes after a head without body", "GET", "HTTP/1.1 304 Not Modified\r\n\r\nx", 304, "", 0, false},
		{"bytes after the last chunk", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", 200, "", -1, false},
		{"interim", "GET", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nabc", 200, "abc", 3, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := peer(t, reply(test.send))
			resp, body := roundTrip(t, c, request(t, test.method, "http://a/", nil))
			if resp.StatusCode != test.status || body != test.body || resp.ContentLength != test.length {
				t.Errorf("got %s, %d, %.50q", resp.Status, resp.ContentLength, body)
			}
			if c.Reusable() != test.reusable {
				t.Errorf("reusable: %v", c.Reusable())
			}

			c = peer(t, reply(test.send))
			var head Head
			var sink bytes.Buffer
			if err := c.Exchange([]byte(test.method+" / HTTP/1.1\r\n\r\n"), &head, &sink); err != nil {
				t.Fatal(err)
			}
			if head.Status != test.status || sink.String() != test.body || head.BodyBytes != int64(len(test.body)) {
				t.Errorf("exchange: %+v %.50q", head, &sink)
			}
			if head.KeepAlive != test.reusable || c.Reusable() != test.reusable {
				t.Errorf("exchange: keep-alive %v, reusable: %v", head.KeepAlive, c.Reusable())
			}
		})
	}
}

func TestMalformedResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct {
		name, send string
		stage      Stage
		want       string
	}{
		{"nothing", "", Sent, "closed the connection before it answered"},
		{"half a head", ok + "Content-", Sent, "unexpected EOF"},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", Sent, "invalid status line"},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", Sent, "invalid status line"},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", Sent, "invalid status line"},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", Sent, "invalid status line"},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", Sent, "invalid status line"},
		{"status 099", "HTTP/1.1 099 OK\r\n\r\n", Sent, "invalid status line"},
		{"signed status", "HTTP/1.1 +20 OK\r\n\r\n", Sent, "invalid status line"},
		{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", Sent, "invalid status line"},
		{"control in reason", "HTTP/1.1 200 O\x00K\r\n\r\n", Sent, "invalid status line"},
		{"empty line first", "\r\n" + ok + "\r\n", Sent, "empty line"},
		{"bare LF in status line", "HTTP/1.1 200 OK\n\r\n", Sent, "CRLF"},
		{"bare LF in field", ok + "A: b\n\r\n", Sent, "CRLF"},
		{"bare CR in field", ok + "A: b\rc\r\n\r\n", Sent, "invalid octet in header value"},
		{"NUL in field", ok + "A: b\x00\r\n\r\n", Sent, "invalid octet in header value"},
		{"fold", ok + "A: b\r\n c\r\n\r\n", Sent, "folded"},
		{"space before colon", ok + "A : b\r\n\r\n", Sent, "invalid octet in header name"},
		{"no colon", ok + "A\r\n\r\n", Sent, "without name"},
		{"CL and TE", ok + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Sent, "both"},
		{"equal CLs", ok + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", Sent, "more than one Content-Length"},
		{"CL list", ok + "Content-Length: 0, 0\r\n\r\n", Sent, "invalid Content-Length"},
		{"negative CL", ok + "Content-Length: -1\r\n\r\n", Sent, "invalid Content-Length"},
		{"huge CL", ok + "Content-Length: 9223372036854775808\r\n\r\n", Sent, "invalid Content-Length"},
		{"TE gzip", ok + "Transfer-Encoding: gzip\r\n\r\n", Sent, "unknown transfer coding"},
		{"TE twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Sent, "Transfer-Encoding is not one"},
		{"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Sent, "HTTP/1.0"},
		{"TE in 304", "HTTP/1.1 304 No\r\nTransfer-Encoding: x\r\n\r\n", Sent, "unknown transfer coding"},
		{"bad Trailer", ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", Sent, "trailer field"},
		{"many lines", ok + strings.Repeat("A: b\r\n", 257) + "\r\n", Sent, "too many header lines"},
		{"large head", ok + "A: " + strings.Repeat("b", 64<<10) + "\r\n\r\n", Sent, "header too large"},
		{"unexpected 101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Sent, "unexpected"},
		{"endless interims", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 17), Sent, "interim"},

		{"short body", ok + "Content-Length: 3\r\n\r\nab", Answered, "unexpected EOF"},
		{"short large body", ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000), Answered, "unexpected EOF"},
		{"no last chunk", chunked + "1\r\na\r\n", Answered, "unexpected EOF"},
		{"no trailer end", chunked + "0\r\n", Answered, "unexpected EOF"},
		{"chunk size", chunked + "g\r\n", Answered, "invalid chunk size"},
		{"chunk size with space", chunked + "1 \r\na\r\n0\r\n\r\n", Answered, "invalid chunk size"},
		{"chunk size overflow", chunked + "fffffffffffffffff\r\n", Answered, "invalid chunk size"},
		{"chunk end", chunked + "1\r\nab\r\n0\r\n\r\n", Answered, "chunk does not end"},
		{"chunk LF", chunked + "1\na\r\n0\r\n\r\n", Answered, "CRLF"},
		{"long chunk line", chunked + "1;" + strings.Repeat("x", 2000) + "\r\na\r\n0\r\n\r\n", Answered, "chunk-size line too long"},
		{"trailer fold", chunked + "0\r\nA: b\r\n c\r\n\r\n", Answered, "folded"},
		{"framing in trailer", chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", Answered, "trailer field"},
		{"large trailer", chunked + "0\r\nA: " + strings.Repeat("b", 5000) + "\r\n\r\n", Answered, "header too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := peer(t, reply(test.send))
			resp, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				if again, err2 := resp.Body.Read(make([]byte, 1)); again != 0 || err2 != err {
					t.Errorf("next read: %d, %v", again, err2)
				}
				resp.Body.Close()
			}
			checkFailed(t, c, err, test.stage, test.want)

			if test.name == "bad Trailer" {
				return // Exchange does not read the Trailer field
			}
			c = peer(t, reply(test.send))
			err = c.Exchange([]byte("GET / HTTP/1.1\r\n\r\n"), new(Head), nil)
			checkFailed(t, c, err, test.stage, test.want)
		})
	}
}

func TestHeadersKeepTheirOrderAndCase(t *testing.T) {
	c := peer(t, reply("HTTP/1.1 200 OK\r\nset-cookie: a\r\nX-NEW-ONE:\tb c \r\nSet-Cookie: d\r\nETAG: e\r\nempty:\r\nContent-Length: 0\r\n\r\n"))
	resp, _ := roundTrip(t, c, request(t, "GET", "http://a/", nil))
	want := http.Header{"Set-Cookie": {"a", "d"}, "X-New-One": {"b c"}, "Etag": {"e"}, "Empty": {""}, "Content-Length": {"0"}}
	if fmt.Sprint(resp.Header) != fmt.Sprint(want) {
		t.Errorf("got %v", resp.Header)
	}
	resp.Header.Add("X-New-One", "added")
	if resp.Header.Get("Etag") != "e" {
		t.Error("adding to a field changed the next one")
	}
}

func TestTrailersBothWays(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Declared")
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
		w.Header().Set("Declared", r.Trailer.Get("Sum"))
		w.Header().Set(http.TrailerPrefix+"Surprise", "yes")
	})
	req := request(t, "POST", url, io.MultiReader(strings.NewReader("hello")))
	req.Trailer = http.Header{"Sum": {"42"}}
	resp, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := resp.Trailer["Declared"]; !ok || len(resp.Header["Trailer"]) > 0 || len(resp.Header["Transfer-Encoding"]) > 0 {
		t.Errorf("before reading the body: header %v, trailer %v", resp.Header, resp.Trailer)
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != "hello" || err != nil || resp.Trailer.Get("Declared") != "42" || resp.Trailer.Get("Surprise") != "yes" {
		t.Errorf("%q, %v, trailer %v", body, err, resp.Trailer)
	}
	if !c.Reusable() {
		t.Error("not reusable")
	}
}

func TestWrittenRequests(t *testing.T) {
	got := make(chan string, 1)
	written := func(req *http.Request) []string {
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			got <- readHead(br)
			io.WriteString(nc, "HTTP/1.1 204 No Content\r\n\r\n")
		})
		resp, err := c.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		lines := strings.Split(strings.TrimSuffix(<-got, "\r\n\r\n"), "\r\n")
		slices.Sort(lines[1:])
		return lines
	}
	req := request(t, "GET", "http://dialled/a%2Fb?c=d&e", nil)
	req.Host = "asked:80"
	req.Header = http.Header{
		"X": {" a ", "b"}, "Connection": {"x"}, "Keep-Alive": {"5"}, "Proxy-Connection": {"y"}, "Upgrade": {"h2c"},
		"content-length": {"5"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"z"}, "Host": {"other"}, "Expect": {"100-continue"},
	}
	want := []string{"GET /a%2Fb?c=d&e HTTP/1.1", "Host: asked:80", "X: a", "X: b"}
	if lines := written(req); !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
	req = request(t, "GET", "http://[fe80::1%25eth0]:80", nil)
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Te": {"trailers"}}
	req.Close = true
	want = []string{"GET / HTTP/1.1", "Connection: Upgrade, TE, close", "Host: [fe80::1]:80", "Te: trailers", "Upgrade: websocket"}
	if lines := written(req); !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
	req = request(t, "POST", "http://a/", nil)
	if lines := written(req); !slices.Equal(lines, []string{"POST / HTTP/1.1", "Content-Length: 0", "Host: a"}) {
		t.Errorf("got %q", lines)
	}
	req = request(t, "OPTIONS", "http://a/", nil)
	req.URL.Path = "*"
	if lines := written(req); lines[0] != "OPTIONS * HTTP/1.1" {
		t.Errorf("got %q", lines)
	}
}

// closeRecorder is a request body that records its Close.
type closeRecorder struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func recordClose(r io.Reader) *closeRecorder {
	return &closeRecorder{Reader: r, closed: make(chan struct{})}
}

func (c *closeRecorder) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestUnwritableRequestsAreNotSent(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {})
	for name, change := range map[string]func(*http.Request){
		"method with space":    func(r *http.Request) { r.Method = "GET /x" },
		"CONNECT":              func(r *http.Request) { r.Method = "CONNECT" },
		"name with CRLF":       func(r *http.Request) { r.Header["X\r\nY"] = []string{"z"} },
		"name with space":      func(r *http.Request) { r.Header["X "] = []string{"z"} },
		"empty name":           func(r *http.Request) { r.Header[""] = []string{"z"} },
		"value with CRLF":      func(r *http.Request) { r.Header["X"] = []string{"y\r\nZ: a"} },
		"value with NUL":       func(r *http.Request) { r.Header["X"] = []string{"\x00"} },
		"host with CRLF":       func(r *http.Request) { r.Host = "a\r\nX: y" },
		"host with path":       func(r *http.Request) { r.Host = "a/b" },
		"no host":              func(r *http.Request) { r.Host, r.URL.Host = "", "" },
		"query with space":     func(r *http.Request) { r.URL.RawQuery = "a b" },
		"query with CRLF":      func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" },
		"query with fragment":  func(r *http.Request) { r.URL.RawQuery = "a#b" },
		"relative path":        func(r *http.Request) { r.URL.Path = "a" },
		"opaque":               func(r *http.Request) { r.URL.Opaque = "//b/c" },
		"trailer with framing": func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} },
		"trailer with CRLF":    func(r *http.Request) { r.Trailer = http.Header{"X\r\n": nil} },
		"upgrade with a body": func(r *http.Request) {
			r.Header["Connection"], r.Header["Upgrade"] = []string{"upgrade"}, []string{"x"}
		},
	} {
		body := recordClose(strings.NewReader("body"))
		req := request(t, "POST", url, body)
		change(req)
		_, err := c.RoundTrip(req)
		if e := (*Error)(nil); !errors.As(err, &e) || e.Stage != NotSent || !c.Reusable() {
			t.Errorf("%s: %v, reusable %v", name, err, c.Reusable())
		}
		<-body.closed
	}
	roundTrip(t, c, request(t, "GET", url, nil))
}

func TestBodiesOfTheWrongLength(t *testing.T) {
	broken := errors.New("client disconnected")
	large := strings.Repeat("x", 50_000)
	for name, test := range map[string]struct {
		body  func() io.Reader
		n     int64
		stage Stage
		want  error
	}{
		"short in memory":  {func() io.Reader { return strings.NewReader("ab") }, 3, NotSent, io.ErrUnexpectedEOF},
		"long in memory":   {func() io.Reader { return strings.NewReader("abcd") }, 3, NotSent, errBodyTooLong},
		"short stream":     {func() io.Reader { return io.LimitReader(strings.NewReader("ab"), 9) }, 3, Sent, io.ErrUnexpectedEOF},
		"long stream":      {func() io.Reader { return io.LimitReader(strings.NewReader("abcd"), 9) }, 3, Sent, errBodyTooLong},
		"long by chunks":   {func() io.Reader { return io.MultiReader(strings.NewReader("abc"), strings.NewReader("d")) }, 3, Sent, errBodyTooLong},
		"broken stream":    {func() io.Reader { return io.MultiReader(strings.NewReader(large), failing{broken}) }, 60_000, Sent, broken},
		"broken chunks":    {func() io.Reader { return io.MultiReader(strings.NewReader(large), failing{broken}) }, -1, Sent, broken},
		"idle stream":      {func() io.Reader { return failing{nil} }, 5, Sent, io.ErrNoProgress},
		"broken in memory": {func() io.Reader { return inMemoryFailing{broken} }, 5, NotSent, broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := peer(t, func(nc net.Conn, br *bufio.Reader) {
				io.Copy(io.Discard, br) // it never answers: the client must not wait for an answer
			})
			req := request(t, "POST", "http://a/", test.body())
			req.ContentLength = test.n
			_, err := c.RoundTrip(req)
			if e := (*Error)(nil); !errors.As(err, &e) || e.Stage != test.stage || c.Reusable() != (e.Stage == NotSent) {
				t.Errorf("got %v, reusable %v", err, c.Reusable())
			}
			if bad := (*BodyError)(nil); !errors.As(err, &bad) || !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// failing is a body whose reads fail.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// inMemoryFailing is a failing body that claims to be in memory.
type inMemoryFailing failing

func (f inMemoryFailing) Read([]byte) (int, error) { return 0, f.err }
func (f inMemoryFailing) Close() error             { return nil }
func (f inMemoryFailing) Len() int                 { return 5 }

func TestEarlyResponseWhileUploading(t *testing.T) {
	c := peer(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nabc")
		br.ReadByte() // it reads no more of the body
	})
	r, w := io.Pipe()
	body := recordClose(r)
	resp, text := roundTrip(t, c, request(t, "POST", "http://a/", body))
	if resp.StatusCode != 413 || text != "abc" {
		t.Errorf("%s %q", resp.Status, text)
	}
	if c.Reusable() {
		t.Error("reusable during an upload")
	}
	w.Write([]byte("too late"))
	w.Close()
	<-body.closed
}

func TestFullDuplex(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(200)
		rc.Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			rc.Flush()
			if err != nil {
				return
			}
		}
	})
	r, w := io.Pipe()
	resp, err := c.RoundTrip(request(t, "POST", url, r))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, word := range []string{"ping", "pong", "last"} {
		io.WriteString(w, word)
		if _, err := io.ReadFull(resp.Body, buf[:4]); err != nil || string(buf[:4]) != strings.ToUpper(word) {
			t.Fatalf("%q, %v", buf[:4], err)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil || !c.Reusable() {
		t.Errorf("%q, %v, reusable %v", rest, err, c.Reusable())
	}
}

func TestCancellation(t *testing.T) {
	reason := errors.New("stopped by the operator")
	check := func(t *testing.T, c *Conn, err error, stage Stage) {
		t.Helper()
		checkFailed(t, c, err, stage, "stopped by the operator")
		if !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {})
		_, err := c.RoundTrip(request(t, "GET", url, nil).WithContext(ctx))
		if !errors.Is(err, reason) || !c.Reusable() {
			t.Errorf("got %v, reusable %v", err, c.Reusable())
		}
	})
	t.Run("waiting for the head", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			cancel(reason)
			br.ReadByte()
		})
		_, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
		check(t, c, err, Sent)
	})
	t.Run("in the body", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
			br.ReadByte()
		})
		resp, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(resp.Body, make([]byte, 3))
		cancel(reason)
		_, err = io.ReadAll(resp.Body)
		check(t, c, err, Answered)
	})
	t.Run("in the upload", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			cancel(reason)
			<-t.Context().Done() // reads nothing
		})
		body := recordClose(endless{})
		_, err := c.RoundTrip(request(t, "POST", "http://a/", body).WithContext(ctx))
		check(t, c, err, Sent)
		<-body.closed
	})
	t.Run("after the end", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {})
		roundTrip(t, c, request(t, "GET", url, nil).WithContext(ctx))
		cancel(reason)
		if !c.Reusable() {
			t.Error("not reusable")
		}
		roundTrip(t, c, request(t, "GET", url, nil))
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, reason)
		defer cancel()
		c := peer(t, func(nc net.Conn, br *bufio.Reader) { readHead(br); br.ReadByte() })
		_, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
		if !errors.Is(err, reason) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("by Close", func(t *testing.T) {
		c := peer(t, readOnly)
		go c.Close()
		_, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, errNotReusable) || c.Reusable() {
			t.Errorf("got %v", err)
		}
	})
}

// readOnly is a script that never answers.
func readOnly(_ net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) }

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestStages(t *testing.T) {
	c := peer(t, readOnly)
	c.nc.Close()
	_, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
	checkFailed(t, c, err, NotSent, "")

	c = peer(t, readOnly)
	c.nc.Close()
	body := recordClose(strings.NewReader("x"))
	_, err = c.RoundTrip(request(t, "POST", "http://a/", body))
	checkFailed(t, c, err, NotSent, "")
	<-body.closed

	c = peer(t, func(nc net.Conn, br *bufio.Reader) { br.ReadByte() })
	_, err = c.RoundTrip(request(t, "GET", "http://a/", nil))
	checkFailed(t, c, err, Sent, "")
	_, err = c.RoundTrip(request(t, "GET", "http://a/", nil))
	checkFailed(t, c, err, NotSent, "cannot carry another message")
}

func TestCloseOfUnreadBody(t *testing.T) {
	for name, test := range map[string]struct {
		send     string
		read     int
		reusable bool
	}{
		"rest has arrived":         {"Content-Length: 6\r\n\r\nabcdef", 1, true},
		"chunked rest has arrived": {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nA: b\r\n\r\n", 1, true},
		"rest is missing":          {"Content-Length: 7\r\n\r\nabcdef", 1, false},
		"last chunk missing":       {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 1, false},
		"rest is malformed":        {"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 1, false},
		"until close":              {"\r\nabc", 1, false},
		"exactly read":             {"Content-Length: 3\r\n\r\nabc", 3, true},
		"chunks exactly read":      {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := peer(t, func(nc net.Conn, br *bufio.Reader) {
				readHead(br)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+test.send)
				br.ReadByte()
			})
			resp, err := c.RoundTrip(request(t, "GET", "http://a/", nil))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, test.read)); err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if c.Reusable() != test.reusable {
				t.Errorf("reusable: %v", c.Reusable())
			}
			if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("read after close: %d, %v", n, err)
			}
			resp.Body.Close()
		})
	}
}

func TestStale(t *testing.T) {
	const empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	becomes := func(name, after string, closes bool) {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			c := peer(t, func(nc net.Conn, br *bufio.Reader) {
				readHead(br)
				io.WriteString(nc, empty)
				<-release
				io.WriteString(nc, after)
				if !closes {
					br.ReadByte()
				}
			})
			roundTrip(t, c, request(t, "GET", "http://a/", nil))
			if c.Stale() || !c.Reusable() {
				t.Fatal("stale before the peer did anything")
			}
			close(release)
			for !c.Stale() { // until the packet arrives
				time.Sleep(time.Millisecond)
			}
			if !c.Reusable() {
				t.Error("Stale changed the result of Reusable")
			}
		})
	}
	becomes("closed", "", true)
	becomes("unexpected bytes", "HTTP/1.1 408 Timeout\r\n\r\n", false)
}

func TestInterimResponsesAreDelivered(t *testing.T) {
	c := peer(t, reply("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	var got []string
	var stop error
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, h))
			return stop
		},
	})
	roundTrip(t, c, request(t, "GET", "http://a/", nil).WithContext(ctx))
	if fmt.Sprint(got) != "[103 map[Link:[</a>]] 102 map[]]" {
		t.Errorf("got %v", got)
	}
	stop = errors.New("enough")
	c = peer(t, reply("HTTP/1.1 103 Early Hints\r\n\r\n"))
	_, err := c.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
	checkFailed(t, c, err, Sent, "enough")
}

func TestExpectContinue(t *testing.T) {
	post := func(body io.Reader) *http.Request {
		req := request(t, "POST", "http://a/", body)
		req.Header.Set("Expect", "100-continue")
		return req
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	t.Run("granted", func(t *testing.T) {
		got := make(chan string, 2)
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			got <- readHead(br)
			io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
			body := make([]byte, 5)
			io.ReadFull(br, body)
			got <- string(body)
			io.WriteString(nc, ok)
			br.ReadByte()
		})
		roundTrip(t, c, post(strings.NewReader("hello")))
		if head := <-got; !strings.Contains(head, "Expect: 100-continue\r\n") || !strings.Contains(head, "Content-Length: 5\r\n") {
			t.Errorf("got %q", head)
		}
		if body := <-got; body != "hello" || !c.Reusable() {
			t.Errorf("got %q, reusable %v", body, c.Reusable())
		}
	})
	t.Run("refused", func(t *testing.T) {
		rest := make(chan []byte, 1)
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			io.WriteString(nc, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
			b, _ := io.ReadAll(br)
			rest <- b
		})
		body := recordClose(strings.NewReader("hello"))
		resp, _ := roundTrip(t, c, post(body))
		if resp.StatusCode != 417 || c.Reusable() {
			t.Errorf("%s, reusable %v", resp.Status, c.Reusable())
		}
		<-body.closed
		if b := <-rest; len(b) > 0 {
			t.Errorf("sent the body: %q", b)
		}
	})
	t.Run("ignored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				br := bufio.NewReader(server)
				readHead(br)
				io.ReadFull(br, make([]byte, 5))
				io.WriteString(server, ok)
			})
			c := NewConn(client, nil)
			roundTrip(t, c, post(strings.NewReader("hello")))
			if waited := time.Since(start); waited != continueTimeout || !c.Reusable() {
				t.Errorf("waited %v, reusable %v", waited, c.Reusable())
			}
			wg.Wait()
		})
	})
}

func TestSwitchingProtocols(t *testing.T) {
	c := peer(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst line\n")
		io.Copy(nc, br)
	})
	ctx, cancel := context.WithCancel(t.Context())
	req := request(t, "GET", "http://a/", nil).WithContext(ctx)
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
	resp, err := c.RoundTrip(req)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "echo" {
		t.Fatal(resp, err)
	}
	cancel() // must not end the tunnel
	tunnel := resp.Body.(io.ReadWriteCloser)
	br := bufio.NewReader(tunnel)
	if line, _ := br.ReadString('\n'); line != "first line\n" {
		t.Errorf("got %q", line)
	}
	io.WriteString(tunnel, "echo\n")
	if line, _ := br.ReadString('\n'); line != "echo\n" {
		t.Errorf("got %q", line)
	}
	tunnel.(io.ReaderFrom).ReadFrom(strings.NewReader("last line"))
	tunnel.(interface{ CloseWrite() error }).CloseWrite()
	var rest bytes.Buffer
	if n, err := io.Copy(&rest, br); err != nil || rest.String() != "last line" {
		t.Errorf("%d, %v, %q", n, err, &rest)
	}
	if c.Reusable() {
		t.Error("reusable")
	}
	tunnel.Close()
}

func TestExchangeReusesItsHead(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, r.URL.Path)
	})
	host := strings.TrimPrefix(url, "http://")
	var head Head
	var sink bytes.Buffer
	for _, path := range []string{"/a", "/chunked", "/b"} {
		sink.Reset()
		raw := []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if err := c.Exchange(raw, &head, &sink); err != nil {
			t.Fatal(err)
		}
		if head.Status != 200 || !head.KeepAlive || sink.String() != path || head.BodyBytes != int64(len(path)) {
			t.Errorf("%s: %+v %q", path, head, &sink)
		}
		fields := map[string]string{}
		for name, value := range head.All {
			fields[string(name)] = string(value)
		}
		if got := string(head.Get("content-type")); path != "/chunked" && (got != "text/plain; charset=utf-8" || got != fields["Content-Type"]) {
			t.Errorf("%s: content type %q, fields %q", path, got, fields)
		}
		if head.Get("x-missing") != nil {
			t.Errorf("%s: got a value for a missing field", path)
		}
	}
}
