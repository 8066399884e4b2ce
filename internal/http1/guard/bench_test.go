//go:build unix

package guard

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

const benchRequest = "GET /path/to/something?query=1 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n\r\n"

// repeated is a net.Conn whose Read returns the same bytes each time.
type repeated struct {
	net.Conn
	data string
}

func (r repeated) Read(p []byte) (int, error)  { return copy(p, r.data), nil }
func (r repeated) Write(p []byte) (int, error) { return len(p), nil }
func (r repeated) Close() error                { return nil }

// cpuTime reports the CPU time of the process. Other load on the machine changes it less than the elapsed time.
func cpuTime(b *testing.B) (stop func()) {
	used := func() (sum int64) {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

func dial(b *testing.B, l net.Listener) *client.Conn {
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := client.NewConn(nc, nil)
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkGuard measures the cost of the guard for one request, without system calls.
func BenchmarkGuard(b *testing.B) {
	for name, data := range map[string]string{
		"get":     benchRequest,
		"post":    strings.Replace(benchRequest, "GET", "POST", 1)[:len(benchRequest)-1] + "Content-Length: 12\r\n\r\nhello, world",
		"chunked": strings.Replace(benchRequest, "GET", "POST", 1)[:len(benchRequest)-1] + "Transfer-Encoding: chunked\r\n\r\nc\r\nhello, world\r\n0\r\n\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			c := NewListener(nil, nil).guard(repeated{data: data})
			p := make([]byte, 4096)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if n, err := c.Read(p); n != len(data) || err != nil {
					b.Fatalf("%d of %d, %v", n, len(data), err)
				}
			}
		})
	}
}

func BenchmarkServer(b *testing.B) {
	serve := func(b *testing.B, guard bool) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}
		if guard {
			Attach(srv)
			go srv.Serve(NewListener(l, nil))
		} else {
			go srv.Serve(l)
		}
		b.Cleanup(func() { srv.Close() })
		c := dial(b, l)
		raw := []byte(benchRequest)
		var head client.Head
		b.ReportAllocs()
		defer cpuTime(b)()
		for b.Loop() {
			if err := c.Exchange(raw, &head, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("plain", func(b *testing.B) { serve(b, false) })
	b.Run("guarded", func(b *testing.B) { serve(b, true) })
}
