package http1

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// dial connects to a server that handles requests with h.
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

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// answer sends the request and returns the response with its whole body.
func answer(t testing.TB, c *Conn, req *http.Request) (*http.Response, string) {
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
		{"GET", "/chunked", nil, "GET "},
	} {
		resp, body := answer(t, c, request(t, test.method, url+test.path, test.body))
		if body != test.want || resp.StatusCode != 200 || resp.Header.Get("X-Path") != test.path {
			t.Errorf("%s %s: %s %.50q (%d bytes)", test.method, test.path, resp.Status, body, len(body))
		}
		if !c.Reusable() || c.Stale() {
			t.Fatalf("%s %s: reusable %v, stale %v", test.method, test.path, c.Reusable(), c.Stale())
		}
		if c.buf != nil {
			t.Errorf("%s %s: an idle connection holds a buffer", test.method, test.path)
		}
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections", len(addresses))
	}
}

func TestExchangeReusesEverything(t *testing.T) {
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
		if got := string(head.Get("content-type")); got != "text/plain; charset=utf-8" && path != "/chunked" {
			t.Errorf("%s: content type %q", path, got)
		}
	}
}
