//go:build unix

package client

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

const benchAnswer = "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\n" +
	"X-Request-Id: 0123456789abcdef\r\nContent-Length: 12\r\n\r\nhello, world"

// rawServer answers each read with the same bytes, so that a benchmark measures the client.
func rawServer(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				buf, out := make([]byte, 64<<10), []byte(benchAnswer)
				for {
					if _, err := nc.Read(buf); err != nil {
						return
					}
					if _, err := nc.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l
}

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

func BenchmarkRoundTrip(b *testing.B) {
	l := rawServer(b)
	req := httptest.NewRequest("GET", "http://"+l.Addr().String()+"/path?query=1", nil)
	req.RequestURI = ""
	req.Header.Set("User-Agent", "bench")
	req.Header.Set("X-Forwarded-For", "10.0.0.1")
	req.Header.Set("Accept", "*/*")
	trip := func(b *testing.B, rt http.RoundTripper, req *http.Request) {
		b.ReportAllocs()
		defer cpuTime(b)()
		for b.Loop() {
			resp, err := rt.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	b.Run("http1", func(b *testing.B) { trip(b, dialBench(b, l), req) })
	b.Run("http1/cancellable", func(b *testing.B) { trip(b, dialBench(b, l), req.WithContext(b.Context())) })
	b.Run("transport", func(b *testing.B) {
		t := &http.Transport{DisableCompression: true}
		b.Cleanup(t.CloseIdleConnections)
		trip(b, t, req)
	})
}

func dialBench(b *testing.B, l net.Listener) *Conn {
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := NewConn(nc, nil)
	b.Cleanup(func() { c.Close() })
	return c
}

func BenchmarkExchange(b *testing.B) {
	c := dialBench(b, rawServer(b))
	raw := []byte("GET /path?query=1 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	var head Head
	b.ReportAllocs()
	defer cpuTime(b)()
	for b.Loop() {
		if err := c.Exchange(raw, &head, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStale(b *testing.B) {
	c := dialBench(b, rawServer(b))
	b.ReportAllocs()
	for b.Loop() {
		if c.Stale() {
			b.Fatal("stale")
		}
	}
}

// repeated is a net.Conn whose Read returns the same bytes each time.
type repeated struct {
	net.Conn
	data string
}

func (r repeated) Read(p []byte) (int, error)  { return copy(p, r.data), nil }
func (r repeated) Write(p []byte) (int, error) { return len(p), nil }
func (r repeated) Close() error                { return nil }

func BenchmarkParseResponse(b *testing.B) {
	c := NewConn(repeated{data: benchAnswer}, nil)
	raw := []byte("GET / HTTP/1.1\r\n\r\n")
	var head Head
	b.ReportAllocs()
	b.SetBytes(int64(len(benchAnswer)))
	for b.Loop() {
		if err := c.Exchange(raw, &head, nil); err != nil {
			b.Fatal(err)
		}
	}
}
