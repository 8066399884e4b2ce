package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/node"
)

// newPool runs a pool over the addresses, and returns when all of them are ready. extra is more of the service's YAML.
func newPool(t *testing.T, extra string, addresses ...string) *Pool {
	t.Helper()
	p := startPool(t, extra, nil, addresses...)
	for i := range addresses {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := p.AwaitReady(ctx, fmt.Sprintf("shop-%d", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// startPool runs a pool over the addresses, and does not wait until they are ready.
func startPool(t *testing.T, extra string, o *Options, addresses ...string) *Pool {
	t.Helper()
	p := New(serviceOf(t, extra, addresses...), o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		p.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	p.Update(setOf(addresses...))
	return p
}

// serviceOf returns the configuration of a service. extra is more of its YAML.
func serviceOf(t *testing.T, extra string, addresses ...string) config.Service {
	t.Helper()
	yaml := "services:\n  shop:\n    nodes: [\"" + strings.Join(addresses, `", "`) + "\"]\n    slow_start: 0s\n"
	for line := range strings.SplitSeq(strings.TrimSpace(extra), "\n") {
		if line != "" {
			yaml += "    " + line + "\n"
		}
	}
	cfg, err := config.Parse("test.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Services[0]
}

func setOf(addresses ...string) node.Set {
	set := node.Set{Service: "shop"}
	for i, a := range addresses {
		set.Nodes = append(set.Nodes, node.Node{ID: fmt.Sprintf("shop-%d", i+1), Service: "shop", Address: a})
	}
	return set
}

// serve starts a node that passes its probe, and answers all other requests with h. It returns the node's address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "tenfold-probe" {
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// respondWith returns a handler that writes text.
func respondWith(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
}

// serveRaw starts a node that passes its probe. It hands every other request to h together with its connection, and
// closes the connection when h returns.
func serveRaw(t *testing.T, h func(net.Conn, *http.Request)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { l.Close(); conns.Wait() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer nc.Close()
				r, err := http.ReadRequest(bufio.NewReader(nc))
				if err != nil {
					return
				}
				if r.UserAgent() == "tenfold-probe" {
					io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					return
				}
				h(nc, r)
			})
		}
	}()
	return l.Addr().String()
}

// serveGated starts a node that holds each request until the test sends to release. arrived gets the header N of each
// request.
func serveGated(t *testing.T) (address string, arrived chan string, release chan struct{}) {
	arrived, release = make(chan string, 100), make(chan struct{})
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // otherwise net/http does not notice when the client disconnects
		arrived <- r.Header.Get("N")
		select {
		case <-release:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	}), arrived, release
}

// hangingNode is a node that can be made to hang, as SIGSTOP does: it accepts connections and sends nothing.
type hangingNode struct {
	hangs    atomic.Bool
	received atomic.Int64 // requests without probes
}

func (n *hangingNode) serve(t *testing.T) string {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "tenfold-probe" {
			n.received.Add(1)
		}
		if n.hangs.Load() {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		io.WriteString(w, "hanging node")
	}))
	t.Cleanup(func() { close(release); srv.Close() })
	return srv.Listener.Addr().String()
}

// send makes a request and returns the status and the body of the response.
func send(ctx context.Context, p *Pool, method, body string, header ...string) (int, string, error) {
	return sendTo(ctx, p, "/x", method, body, header...)
}

// sendTo is send with the path of the request.
func sendTo(ctx context.Context, p *Pool, path, method, body string, header ...string) (int, string, error) {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://shop.example"+path, r)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// await waits until ok returns true. what completes the sentence "waited in vain until ...".
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// serveProbes starts a node that answers each request with the status for its path.
func serveProbes(t *testing.T, status func(path string) int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status(r.URL.Path)) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
