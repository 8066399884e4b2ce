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

// A probe is polite: it says that it comes alone, hears the answer out, and hangs up without a reset, which servers would
// report to whoever runs them, every two seconds.
func TestProbeEndsItsConnectionInPeace(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	probed := make(chan error, 1)
	go func() {
		probed <- checkNode(t.Context(), config.Probe{Path: "/", Timeout: 10 * time.Second, Status: []config.StatusRange{{From: 200, To: 299}}},
			l.Addr().String())
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
		t.Errorf("it does not say that the connection is for one request: %v", r.Header)
	}
	for _, part := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", strings.Repeat("x", 10_000), strings.Repeat("y", 10_000)} {
		if _, err := io.WriteString(nc, part); err != nil {
			t.Fatalf("it left in the middle of the answer: %v", err)
		}
	}
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("it left with %v, not with the end of the connection", err)
	}
	if err := <-probed; err != nil {
		t.Errorf("it failed: %v", err)
	}
}
