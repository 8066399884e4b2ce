package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
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
