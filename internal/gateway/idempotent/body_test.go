package idempotent

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

func TestBodiesThatAreTooLargeOrBroken(t *testing.T) {
	limit := 1 << 10
	for name, c := range map[string]struct {
		body   io.Reader
		length int
		status int
		reason string
	}{
		"the largest":            {bytes.NewReader(make([]byte, limit)), limit, 201, ""},
		"the largest, chunked":   {bytes.NewReader(make([]byte, limit)), -1, 201, ""},
		"too large":              {bytes.NewReader(make([]byte, limit+1)), limit + 1, 413, "body_too_large"},
		"too large, chunked":     {bytes.NewReader(make([]byte, limit+1)), -1, 413, "body_too_large"},
		"announced as too large": {bytes.NewReader(nil), 1 << 40, 413, "body_too_large"},
		"broken":                 {io.MultiReader(strings.NewReader("x"), errReader{errors.New("bad chunk")}), -1, 400, "body"},
	} {
		k := newKeyed(t, created)
		r := order("key", "")
		r.Body, r.ContentLength = io.NopCloser(c.body), int64(c.length)
		w := k.do(r)
		if rec := k.last.Load(); w.Code != c.status || rec.Reason != c.reason {
			t.Errorf("%s: %d, %q", name, w.Code, rec.Reason)
		}
		if refused := c.status != 201; refused && (k.served.Load() > 0 || len(k.store.Keys()) > 0) {
			t.Errorf("%s: sent %d times, stored %v", name, k.served.Load(), k.store.Keys())
		}
	}
	k := newKeyed(t, created)
	r := order("key", "")
	r.Body, r.ContentLength = io.NopCloser(errReader{io.ErrUnexpectedEOF}), 10
	aborts(t, func() { k.do(r) })
	if rec := k.last.Load(); rec.Status != problem.StatusClientGone || rec.Reason != "client_gone" || k.served.Load() > 0 || len(k.store.Keys()) > 0 {
		t.Errorf("%+v", rec)
	}
}

// The bodies of all requests share a memory limit. Above it a request gets 503. The memory is returned, however a request ends.
func TestMemoryLimitForBodies(t *testing.T) {
	k := newKeyed(t, created)
	k.config.BodyBytes = 64 << 10
	const budget = 100 << 10
	k.memory.free.Store(budget)
	h := k.handler()
	hold := func(key string) (body *io.PipeWriter, done chan *httptest.ResponseRecorder) {
		r := order(key, "")
		come, body := io.Pipe()
		r.Body, r.ContentLength = come, 64<<10
		done = make(chan *httptest.ResponseRecorder, 1)
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			done <- w
		}()
		return body, done
	}
	first, firstDone := hold("first")
	if _, err := first.Write(make([]byte, 64<<10)); err != nil { // everything except the end, so all of it has been read
		t.Fatal(err)
	}
	second, secondDone := hold("second")
	go second.Write(make([]byte, 64<<10))
	w := <-secondDone
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"reason":"bodies_full"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	second.CloseWithError(io.ErrClosedPipe)
	k.counts(map[string]int{"overloaded": 1})
	if w := k.do(order("small", "{}")); w.Code != 201 {
		t.Errorf("a small body: %d %s", w.Code, w.Body)
	}
	first.Close()
	if w := <-firstDone; w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	broken := order("broken", "")
	broken.Body, broken.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("x"), errReader{io.ErrUnexpectedEOF})), 10
	aborts(t, func() { k.do(broken) })
	large := order("large", "")
	large.Body, large.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, 64<<10+1))), -1
	if w := k.do(large); w.Code != 413 {
		t.Errorf("%d", w.Code)
	}
	if free := k.memory.free.Load(); free != budget {
		t.Errorf("%d bytes are free, want %d", free, budget)
	}
}

// A body is buffered whole, for any sizes of its reads and any announced length.
func TestBufferedBody(t *testing.T) {
	for _, n := range []int{0, 1, firstBytes - 1, firstBytes, firstBytes + 1, 3 * firstBytes, 40_000} {
		for _, most := range []int{n, n + 1, 1 << 20} {
			for _, length := range []int64{int64(n), -1, 0, 1} {
				for _, cut := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
					want := make([]byte, n)
					for i := range want {
						want[i] = byte(i * i >> 3)
					}
					k := bufferedBody{budget: &memoryBudget{}}
					k.budget.free.Store(4 << 20)
					if err := k.read(cut(bytes.NewReader(want)), length, most); err != nil || !bytes.Equal(k.b, want) || cap(k.b) > most+1 {
						t.Fatalf("%d bytes, announced as %d, limit %d: %d in %d, %v", n, length, most, len(k.b), cap(k.b), err)
					}
					if free := k.budget.free.Load(); free != int64(4<<20-cap(k.b)) {
						t.Fatalf("%d bytes are free and %d in use", free, cap(k.b))
					}
				}
			}
		}
	}
}
