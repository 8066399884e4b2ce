//go:build unix

package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway"
	"github.com/tenfold-go/tenfold/internal/node"
)

// BenchmarkProxy sends requests through a whole gateway, over loopback, on 64 keep-alive connections. The clients and
// the backend do little and allocate nothing, so that a profile and the allocations show the gateway. cpu-ns/op is
// the CPU time of all three together; on a busy machine, it varies less than ns/op:
//
//	go test ./internal/gateway -run - -bench Proxy -cpu 1 -cpuprofile cpu.prof
func BenchmarkProxy(b *testing.B) {
	for _, c := range []struct {
		name   string
		access bool
		size   int // of the response's body
		body   int // of the request's
	}{
		{"small", false, 110, 0}, {"small/access", true, 110, 0}, {"16KiB", false, 16 << 10, 0}, {"1MiB", false, 1 << 20, 0},
		{"post4KiB", false, 110, 4 << 10},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := &gateway.Options{Metrics: gateway.NewMetrics(prometheus.NewRegistry())}
			if c.access {
				o.Access = slog.New(slog.NewJSONHandler(io.Discard, nil))
			}
			address := benchGateway(b, benchBackend(b, c.size), o)
			request := fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", address)
			if c.body > 0 {
				request = fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s",
					address, c.body, strings.Repeat("x", c.body))
			}
			b.ReportAllocs()
			b.SetParallelism(64) // times GOMAXPROCS
			before := cpuTime()
			b.RunParallel(func(pb *testing.PB) {
				nc, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				defer nc.Close()
				buf := make([]byte, 64<<10)
				for pb.Next() {
					if _, err := nc.Write(request); err != nil {
						b.Error(err)
						return
					}
					if err := skipResponse(nc, buf, c.size); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime returns the CPU time of this process, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// skipResponse reads a header and a body of size bytes.
func skipResponse(nc net.Conn, buf []byte, size int) error {
	n := 0
	for {
		more, err := nc.Read(buf[n:])
		if err != nil {
			return err
		}
		n += more
		if end := bytes.Index(buf[:n], []byte("\r\n\r\n")); end >= 0 {
			if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200 ")) {
				return fmt.Errorf("responded %q", buf[:n])
			}
			for left := size - (n - end - 4); left > 0; left -= more {
				if more, err = nc.Read(buf); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

// benchGateway runs a gateway with the default policies in front of one node, and returns its address.
func benchGateway(b *testing.B, backend string, o *gateway.Options) string {
	b.Helper()
	cfg, err := config.Parse("bench.yaml", fmt.Appendf(nil, "listen: 127.0.0.1:0\nservices: {app: {nodes: [%q]}}\n", backend), nil)
	if err != nil {
		b.Fatal(err)
	}
	g, err := gateway.New(cfg, o)
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	g.Update(node.Set{Service: "app", Nodes: []node.Node{{ID: "app-1", Service: "app", Address: backend, State: node.Ready}}})
	ready, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	if err := g.AwaitReady(ready, "app", "app-1"); err != nil {
		b.Fatal(err)
	}
	return g.Addrs()[0].String()
}

// benchBackend starts a node that responds to each request, after its body, with size bytes.
func benchBackend(b *testing.B, size int) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	response := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go respondAll(nc, response)
		}
	}()
	return l.Addr().String()
}

func respondAll(nc net.Conn, response []byte) {
	defer nc.Close()
	buf := make([]byte, 64<<10)
	n := 0
	for {
		more, err := nc.Read(buf[n:])
		if err != nil {
			return
		}
		n += more
		head, body, whole := bytes.Cut(buf[:n], []byte("\r\n\r\n"))
		if !whole {
			continue
		}
		if _, length, ok := bytes.Cut(head, []byte("Content-Length: ")); ok {
			digits, _, _ := bytes.Cut(length, []byte("\r"))
			if want, err := strconv.Atoi(string(digits)); err != nil || len(body) < want {
				continue
			}
		}
		n = 0
		if _, err := nc.Write(response); err != nil {
			return
		}
	}
}
