package client

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

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
