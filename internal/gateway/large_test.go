package gateway

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
)

// The gateway streams large bodies: 100 MB in each direction need little memory.
func TestLargeBodiesInLittleMemory(t *testing.T) {
	a, top := secure(t)
	plain, tls := start(t, "", "", sink(t)), start(t, top, "", sink(t))
	for _, c := range []struct {
		name   string
		client *http.Client
		url    string
		size   int
		length int64
	}{
		{"HTTP/1.1 by length", newClient(t), plain.url("/"), 100_000_000, 100_000_000},
		{"HTTP/1.1 in chunks", newClient(t), plain.url("/"), 100_000_000, -1},
		{"HTTP/2", secureClient(t, a, true), "https://" + tls.addr, 50_000_000, 50_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.GC()
			before := heap()
			var peak uint64
			req, _ := http.NewRequest("POST", c.url, &watched{c.size, &peak})
			req.ContentLength = c.length
			resp, err := c.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("X-Got"); got != fmt.Sprint(c.size) {
				t.Errorf("the node got %s bytes", got)
			}
			for left := c.size; left > 0; left -= 10_000_000 {
				if _, err := io.CopyN(io.Discard, resp.Body, 10_000_000); err != nil {
					t.Fatal(err)
				}
				peak = max(peak, heap())
			}
			if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("after the last byte: %d bytes, %v", n, err)
			}
			t.Logf("heap of client, gateway and node: %d KiB at most, %d KiB before", peak>>10, before>>10)
			if peak > before+32<<20 {
				t.Errorf("the heap grew from %d to %d bytes during 2 x %d bytes", before, peak, c.size)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watched reads as left zeros, and measures the heap during the reads.
type watched struct {
	left int
	peak *uint64
}

func (w *watched) Read(p []byte) (int, error) {
	n := min(len(p), w.left)
	if n == 0 {
		return 0, io.EOF
	}
	if w.left/10_000_000 != (w.left-n)/10_000_000 {
		*w.peak = max(*w.peak, heap())
	}
	w.left -= n
	return n, nil
}

// sink starts a node that reads the whole body and responds with a body of the same length.
func sink(t testing.TB) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Got", fmt.Sprint(n))
		if r.ContentLength > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(n))
		}
		io.CopyN(w, zeros{}, n)
	}))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
