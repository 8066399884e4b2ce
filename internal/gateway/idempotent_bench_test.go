//go:build unix

package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// BenchmarkKey measures the cost of a key: an order of 1 KiB through a whole gateway without a key, with a new key, and repeated
// with the same key, on a private redis-server. ns/op on one connection is latency; cpu-ns/op is the CPU time of client, gateway
// and node together, without that of redis-server:
//
//	go test ./internal/gateway -run - -bench Key
func BenchmarkKey(b *testing.B) {
	redis := redistest.Start(b)
	node := address(serve(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"order":1}`)
	}))
	f := startOn(b, sharedStore(b, redis.Addr()), `services:
  shop: {nodes: ["`+node+`"], slow_start: 0s}
routes:
  - {path: /, to: shop}
  - {path: /keyed, to: shop, idempotency: required}
`)
	var n atomic.Int64
	fresh := func() string { return fmt.Sprintf("key-%d-%d", b.N, n.Add(1)) }
	for _, c := range []struct {
		name, path string
		key        func() string
	}{
		{"without", "/", fresh}, {"first", "/keyed", fresh}, {"repetition", "/keyed", func() string { return "key" }},
	} {
		b.Run(c.name+"/1", func(b *testing.B) {
			nc := dialBench(b, f.addr)
			bench(b, func() {
				for b.Loop() {
					nc.order(b, c.path, c.key())
				}
			})
		})
		b.Run(c.name+"/64", func(b *testing.B) {
			if c.name == "repetition" {
				dialBench(b, f.addr).order(b, c.path, c.key()) // otherwise the requests are duplicates in flight
			}
			b.SetParallelism(32) // times two cores
			bench(b, func() {
				b.RunParallel(func(pb *testing.PB) {
					nc := dialBench(b, f.addr)
					for pb.Next() {
						nc.order(b, c.path, c.key())
					}
				})
			})
		})
	}
}

func bench(b *testing.B, run func()) {
	b.ReportAllocs()
	before := ownTime()
	run()
	b.ReportMetric(float64(ownTime()-before)/float64(b.N), "cpu-ns/op")
}

func ownTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchConn is the connection of a client.
type benchConn struct {
	net.Conn
	r *bufio.Reader
}

func dialBench(b *testing.B, addr string) benchConn {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return benchConn{nc, bufio.NewReader(nc)}
}

var benchBody = strings.Repeat("x", 1<<10)

func (c benchConn) order(b *testing.B, path, key string) {
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s", path, key, len(benchBody), benchBody)
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		b.Error(err)
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		b.Errorf("answered %s", resp.Status)
	}
}
