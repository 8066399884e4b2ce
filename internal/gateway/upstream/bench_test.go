//go:build unix

package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/node"
)

// BenchmarkRoundTrip sends requests through a pool to one node over loopback, from 16 goroutines. The node does next to
// nothing. cpu-ns/op is the CPU time of both; on a busy machine it says more than ns/op:
//
//	go test ./internal/gateway/upstream -run - -bench RoundTrip -cpu 1
func BenchmarkRoundTrip(b *testing.B) {
	address := benchNode(b)
	cfg, err := config.Parse("bench.yaml", fmt.Appendf(nil, "services: {app: {nodes: [%q]}}\n", address), nil)
	if err != nil {
		b.Fatal(err)
	}
	p := New(cfg.Services[0], nil)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	b.Cleanup(func() { cancel(); <-done })
	p.Update(node.Set{Service: "app", Nodes: []node.Node{{ID: "app-1", Service: "app", Address: address}}})
	if err := p.AwaitReady(ctx, "app-1"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(16) // times GOMAXPROCS
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		u := &url.URL{Path: "/"}
		for pb.Next() {
			req := &http.Request{Method: "GET", URL: u, Host: "app", Header: http.Header{}}
			x := &exchange.Exchange{}
			resp, err := p.RoundTrip(x.Attach(req))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime returns the CPU time that this process has used so far, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchNode starts a node that sends the same response for each request head.
func benchNode(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	response := []byte("HTTP/1.1 200 OK\r\nContent-Length: 110\r\n\r\n" + strings.Repeat("x", 110))
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				buf := make([]byte, 4<<10)
				for n := 0; ; {
					more, err := nc.Read(buf[n:])
					if err != nil {
						return
					}
					if n += more; !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						continue
					}
					n = 0
					if _, err := nc.Write(response); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
