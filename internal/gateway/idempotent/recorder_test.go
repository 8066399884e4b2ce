package idempotent

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// An error of the service other than 503 is recorded like any other response.
func TestRecordedStatuses(t *testing.T) {
	for status, kept := range map[int]bool{
		200: true, 201: true, 202: true, 204: true, 205: true, 226: true, 299: true, 301: true, 303: true, 304: true, 307: true,
		400: true, 402: true, 404: true, 405: true, 410: true, 412: true, 413: true, 415: true, 422: true, 451: true,
		500: true, 501: true, 502: true, 504: true, 507: true, 599: true,
		401: false, 403: false, 408: false, 409: false, 423: false, 425: false, 429: false, 503: false,
	} {
		for _, body := range []string{"", "sized", "unsized"} {
			if body != "" && !mayHaveBody(status) {
				continue
			}
			k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
				if body == "sized" || body == "" && mayHaveBody(status) {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
			first := k.expect(order("key", ""), status, 1)
			served, want := 2, map[string]int{"freed": 2}
			if kept {
				served, want = 1, map[string]int{"recorded": 1, "replayed": 1}
			}
			again := k.expect(order("key", ""), status, served)
			if replayed := again.Header().Get("Idempotency-Replayed") != ""; first.Body.String() != body || again.Body.String() != body || replayed != kept {
				t.Errorf("%d: %q, then %q, replayed %v", status, first.Body, again.Body, replayed)
			}
			k.counts(want)
		}
	}
}

// A status in retry_on frees the key. Other errors are recorded.
func TestRetryOn(t *testing.T) {
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	k.config.RetryOn = []int{500}
	k.expect(order("key", ""), 500, 1)
	k.expect(order("key", ""), 500, 2)
	k.counts(map[string]int{"freed": 2})
	k.service = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }
	k.expect(order("key", ""), 502, 3)
	if w := k.expect(order("key", ""), 502, 3); w.Header().Get("Idempotency-Replayed") != "true" {
		t.Error("502 was not replayed")
	}
}

// A response that the gateway makes itself is not recorded, whatever its status.
func TestProblemsAreNotRecorded(t *testing.T) {
	for _, status := range []int{404, 413, 502, 503, 504} {
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, &problem.Problem{Status: status, Reason: "reason", RetryAfter: time.Second})
		})
		k.expect(order("key", ""), status, 1)
		if w := k.expect(order("key", "another"), status, 2); w.Header().Get("Retry-After") != "1" {
			t.Errorf("response %v", w.Header())
		}
		if keys := k.store.Keys(); len(keys) > 0 {
			t.Errorf("stored %v", keys)
		}
	}
}

// A response that is too large to keep reaches the client whole, and its request is not sent again.
func TestLargeResponses(t *testing.T) {
	const limit = 1 << 10
	for _, sized := range []bool{true, false} {
		for size, kept := range map[int]bool{limit / 2: true, limit - 64: true, limit + 1: false, 100 * limit: false} {
			k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
				if sized {
					w.Header().Set("Content-Length", fmt.Sprint(size))
				}
				w.WriteHeader(201)
				for range size {
					w.Write([]byte("x"))
				}
			})
			if w := k.expect(order("key", "{}"), 201, 1); w.Body.Len() != size {
				t.Errorf("%d bytes of %d", w.Body.Len(), size)
			}
			if kept {
				if w := k.expect(order("key", "{}"), 201, 1); w.Body.Len() != size {
					t.Errorf("replayed %d bytes of %d", w.Body.Len(), size)
				}
				continue
			}
			w := k.expect(order("key", "{}"), http.StatusGone, 1)
			if rec := k.last.Load(); rec.Reason != "answer_not_kept" || !strings.Contains(w.Body.String(), "status 201") {
				t.Errorf("%q: %s", rec.Reason, w.Body)
			}
			k.expect(order("key", "[]"), http.StatusUnprocessableEntity, 1)
			k.counts(map[string]int{"unkept": 1, "unrepeatable": 1, "mismatch": 1})
		}
	}
	// A header alone can be too large, and a body can be longer than announced.
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", limit))
		created(w, r)
	})
	if w := k.expect(order("key", "{}"), 201, 1); w.Body.String() != "ok" {
		t.Errorf("%q", w.Body)
	}
	k.expect(order("key", "{}"), http.StatusGone, 1)
	k = newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1")
		io.WriteString(w, "1")
		w.Write(make([]byte, limit))
	})
	if w := k.expect(order("key", "{}"), 200, 1); w.Body.Len() != 1+limit {
		t.Errorf("%d bytes", w.Body.Len())
	}
	k.expect(order("key", "{}"), http.StatusGone, 1)
}

// A stream is passed on as it comes. After its end it is replayed like any other response.
func TestStreams(t *testing.T) {
	w := httptest.NewRecorder()
	k := newKeyed(t, func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "text/event-stream")
		for i, piece := range []string{"one", "two"} {
			io.WriteString(out, piece)
			if err := http.NewResponseController(out).Flush(); err != nil {
				t.Error(err)
			}
			if got := w.Body.Len(); got != 3*(i+1) || !w.Flushed {
				t.Errorf("%d bytes have reached the client, flushed %v", got, w.Flushed)
			}
			w.Flushed = false
		}
	})
	k.handler().ServeHTTP(w, order("key", "{}"))
	if w.Code != 200 || w.Body.String() != "onetwo" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	again := k.expect(order("key", "{}"), 200, 1)
	if h := again.Header(); again.Body.String() != "onetwo" || h.Get("Content-Type") != "text/event-stream" || h.Get("Content-Length") != "6" {
		t.Errorf("%q %v", again.Body, h)
	}
}

// A response that is cut off before its header frees the key. After its header, the request counts as done.
func TestResponsesThatAreCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		begin  func(w http.ResponseWriter)
		status int // of the repetition
		served int
	}{
		"before its header":        {func(http.ResponseWriter) {}, 201, 2},
		"with a length":            {func(w http.ResponseWriter) { w.Header().Set("Content-Length", "9"); io.WriteString(w, "half") }, 410, 1},
		"without":                  {func(w http.ResponseWriter) { io.WriteString(w, "half") }, 410, 1},
		"with a recorded error":    {func(w http.ResponseWriter) { w.WriteHeader(500) }, 410, 1},
		"with an unrecorded error": {func(w http.ResponseWriter) { w.WriteHeader(503) }, 201, 2},
	} {
		k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
			c.begin(w)
			panic(http.ErrAbortHandler)
		})
		aborts(t, func() { k.do(order("key", "{}")) })
		k.service = created
		if w := k.do(order("key", "{}")); w.Code != c.status || k.served.Load() != int64(c.served) {
			t.Errorf("%s: the repetition got %d, and the service %d requests", name, w.Code, k.served.Load())
		}
	}
}

// After its TTL a key can be used for a new request.
func TestTimeToLive(t *testing.T) {
	k := newKeyed(t, created)
	k.expect(order("key", "{}"), 201, 1)
	k.store.FastForward(k.config.TTL - time.Second)
	k.expect(order("key", "{}"), 201, 1)
	k.store.FastForward(time.Second)
	k.expect(order("key", "[]"), 201, 2)
}

// The request to the service has no TE field, since trailers cannot be replayed.
func TestNoTrailers(t *testing.T) {
	k := newKeyed(t, func(w http.ResponseWriter, r *http.Request) {
		if te := r.Header["Te"]; te != nil {
			t.Errorf("TE is %q", te)
		}
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("the connection can be hijacked")
		}
	})
	r := order("key", "{}")
	r.Header.Set("Te", "trailers")
	k.expect(r, 200, 1)
}
