package exchange

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestFromFindsTheExchangeInDerivedContexts(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if From(r) != nil || FromContext(r.Context()) != nil {
		t.Error("a request without an exchange has one")
	}
	type key struct{}
	type otherKey struct{}
	r = r.WithContext(context.WithValue(r.Context(), key{}, "outer"))
	x := &Exchange{}
	r = x.Attach(r)
	derived, cancel := context.WithCancel(context.WithValue(r.Context(), otherKey{}, 1))
	defer cancel()
	for _, ctx := range []context.Context{r.Context(), derived, context.WithoutCancel(derived)} {
		if FromContext(ctx) != x {
			t.Error("the exchange is not found")
		}
		if ctx.Value(key{}) != "outer" {
			t.Error("a value of the context below is hidden")
		}
	}
}

func TestEnsureAttachesOnce(t *testing.T) {
	first, r := Ensure(httptest.NewRequest("GET", "/", nil))
	second, again := Ensure(r)
	if first == nil || second != first || again != r || From(r) != first {
		t.Errorf("first %p, second %p, of the request %p", first, second, From(r))
	}
}

func TestAttachCostsTheCopyOfTheRequestOnly(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	if n := testing.AllocsPerRun(100, func() {
		x := &Exchange{}
		x.Attach(r)
		x.Writer(w)
	}); n > 2 {
		t.Errorf("%v allocations, want 2: the exchange and the copy of the request", n)
	}
}

func TestWriterNotesStatusAndSize(t *testing.T) {
	for name, c := range map[string]struct {
		write  func(http.ResponseWriter)
		status int
		bytes  int64
	}{
		"nothing":           {func(w http.ResponseWriter) {}, 0, 0},
		"a body":            {func(w http.ResponseWriter) { io.WriteString(w, "body") }, 200, 4},
		"a status and body": {func(w http.ResponseWriter) { w.WriteHeader(404); io.WriteString(w, "no") }, 404, 2},
		"early hints":       {func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(201) }, 201, 0},
		"two statuses":      {func(w http.ResponseWriter) { w.WriteHeader(404); w.WriteHeader(200) }, 404, 0},
		"an upgrade":        {func(w http.ResponseWriter) { w.WriteHeader(101) }, 101, 0},
	} {
		x := &Exchange{}
		below := httptest.NewRecorder()
		w := x.Writer(below)
		c.write(w)
		if x.Status != c.status || x.Bytes != c.bytes {
			t.Errorf("%s: status %d, %d bytes; want %d, %d", name, x.Status, x.Bytes, c.status, c.bytes)
		}
		if err := http.NewResponseController(w).Flush(); err != nil || !below.Flushed {
			t.Errorf("%s: the writer below is not reached: %v", name, err)
		}
	}
}

// An exchange without an engine, and no exchange at all, have nothing to control.
func TestMethodsWithoutAnEngine(t *testing.T) {
	for _, x := range []*Exchange{nil, {}} {
		x.RespondEarly()
		x.AbandonBody()
		x.ReadBodyBy(time.Now())
		x.SetReadDeadline(time.Now())
		if x.Refusal() != nil || x.BodyFault() != nil {
			t.Errorf("%+v: refusal %v, fault %v", x, x.Refusal(), x.BodyFault())
		}
	}
}

func TestMemoryBody(t *testing.T) {
	b := NewMemoryBody([]byte("body"))
	for range 2 { // also when it was read
		if !bytes.Equal(b.Bytes(), []byte("body")) {
			t.Errorf("bytes %q", b.Bytes())
		}
		io.ReadAll(b)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestHasBody(t *testing.T) {
	for name, c := range map[string]struct {
		body   io.ReadCloser
		major  int
		length int64
		header http.Header
		want   bool
	}{
		"none":                        {nil, 1, 0, nil, false},
		"HTTP/1, no body":             {http.NoBody, 1, 0, nil, false},
		"HTTP/1, no body, wrapped":    {io.NopCloser(http.NoBody), 1, 0, nil, false},
		"HTTP/1, with length":         {io.NopCloser(strings.NewReader("b")), 1, 1, nil, true},
		"HTTP/1, chunked":             {io.NopCloser(strings.NewReader("b")), 1, -1, nil, true},
		"HTTP/2, no body":             {io.NopCloser(strings.NewReader("")), 2, 0, http.Header{}, false},
		"HTTP/2, announced as empty":  {io.NopCloser(strings.NewReader("b")), 2, 0, http.Header{"Content-Length": {"0"}}, true},
		"HTTP/2, of unknown length":   {io.NopCloser(strings.NewReader("b")), 2, -1, http.Header{}, true},
		"HTTP/2, http.NoBody for all": {http.NoBody, 2, 0, http.Header{"Content-Length": {"0"}}, false},
	} {
		r := &http.Request{ProtoMajor: c.major, Body: c.body, ContentLength: c.length, Header: c.header}
		if got := HasBody(r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestIsGRPC(t *testing.T) {
	for _, c := range []struct {
		major int
		kind  string
		want  bool
	}{
		{2, "application/grpc", true}, {2, "application/grpc+proto", true}, {1, "application/grpc", false},
		{2, "application/json", false}, {2, "", false},
	} {
		r := &http.Request{ProtoMajor: c.major, Header: http.Header{"Content-Type": {c.kind}}}
		if got := IsGRPC(r); got != c.want {
			t.Errorf("HTTP/%d %q: %v", c.major, c.kind, got)
		}
	}
}
