package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// A probe says that its connection is for one request, reads the whole response, and closes the connection without a
// reset. Servers log resets, and there would be one every two seconds.
func TestProbeClosesItsConnectionWithoutReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	probed := make(chan error, 1)
	go func() {
		c := config.Probe{Path: "/", Timeout: 10 * time.Second, Status: []config.StatusRange{{From: 200, To: 299}}}
		probed <- checkNode(t.Context(), c, &dialer{endpoint: parseEndpoint(l.Addr().String())})
	}()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Close {
		t.Errorf("the request does not say that the connection is for one request: %v", r.Header)
	}
	head := "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n"
	for _, part := range []string{head, strings.Repeat("x", 10_000), strings.Repeat("y", 10_000)} {
		if _, err := io.WriteString(nc, part); err != nil {
			t.Fatalf("the probe closed the connection in the middle of the response: %v", err)
		}
	}
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection ended with %v, want EOF", err)
	}
	if err := <-probed; err != nil {
		t.Errorf("the probe failed: %v", err)
	}
}

// A probe has the method, the host and the headers of the configuration.
func TestProbeRequest(t *testing.T) {
	for extra, want := range map[string]string{
		"": "GET  tenfold-probe",
		"probe: {method: HEAD, host: \"shop.example:81\", headers: {X-Token: secret, User-Agent: mine}}": "HEAD shop.example:81 secret mine",
		"probe: {method: OPTIONS, host: shop.example}":                                                   "OPTIONS shop.example tenfold-probe",
		"probe: {method: POST, host: shop.example}":                                                      "POST shop.example tenfold-probe",
	} {
		requests := make(chan string, 1)
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			host := r.Host
			if host == r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() {
				host = ""
			}
			line := r.Method + " " + host + " " + r.Header.Get("X-Token") + " " + r.UserAgent()
			select {
			case requests <- line:
			default:
			}
		}))
		p := newPool(t, extra, s.Listener.Addr().String())
		if got := <-requests; strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("with %q: %q, want %q", extra, got, want)
		}
		p.Drain(t.Context(), "shop-1")
		s.Close()
	}
}

// A probe's response may have a header above the limits of the service: the node is ready all the same.
func TestProbeResponseAboveALimit(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 300 {
			w.Header().Add("Set-Cookie", strings.Repeat("x", 300))
		}
	}))
	t.Cleanup(s.Close)
	newPool(t, "response: {header_lines: 8, header_bytes: 1KiB}", s.Listener.Addr().String())
}
