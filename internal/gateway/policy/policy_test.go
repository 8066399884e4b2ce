package policy

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// A request passes the policies in the order in which they are written, and its response in the reverse order.
func TestChainRunsInReadingOrder(t *testing.T) {
	var passed []string
	step := func(name string) Policy {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				passed = append(passed, name)
				next.ServeHTTP(w, r)
				passed = append(passed, "/"+name)
			})
		}
	}
	end := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = append(passed, "end") })
	Chain(step("a"), step("b"), step("c"))(end).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if want := []string{"a", "b", "c", "end", "/c", "/b", "/a"}; !slices.Equal(passed, want) {
		t.Errorf("passed %v, want %v", passed, want)
	}
	passed = nil
	Chain()(end).ServeHTTP(nil, nil)
	if !slices.Equal(passed, []string{"end"}) {
		t.Errorf("an empty chain passed %v", passed)
	}
}

// Record calls each observer once per request with the request's exchange, whatever the handler does.
func TestRecordCallsItsObservers(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		status  int
		bytes   int64
	}{
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, 200, 0},
		"a body":       {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "body") }, 200, 4},
		"a status":     {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); io.WriteString(w, "no") }, 404, 2},
		"early hints":  {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }, 201, 0},
		"two statuses": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); w.WriteHeader(200) }, 404, 0},
		"a problem": {func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, &problem.Problem{Status: 503, Reason: "x"})
		}, 503, 91},
		"a broken response": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200); panic(http.ErrAbortHandler) }, 200, 0},
		"no client": {func(w http.ResponseWriter, r *http.Request) {
			exchange.From(r).Status = 499
			panic(http.ErrAbortHandler)
		}, 499, 0},
	} {
		var ended []*exchange.Exchange
		end := func(r *http.Request, rec *exchange.Exchange) {
			if exchange.From(r) != rec {
				t.Error("the exchange is not that of the request")
			}
			ended = append(ended, rec)
		}
		func() {
			defer func() { recover() }()
			Record(end, end)(c.handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		if len(ended) != 2 || ended[0] != ended[1] {
			t.Errorf("%s: the observers were called %d times", name, len(ended))
			continue
		}
		if rec := ended[0]; rec.Status != c.status || rec.Bytes != c.bytes || rec.Took < 0 || rec.Client.String() != "192.0.2.1" {
			t.Errorf("%s: %+v", name, rec)
		}
	}
	if exchange.From(httptest.NewRequest("GET", "/", nil)) != nil {
		t.Error("there is an exchange without Record")
	}
}

// http.ResponseController reaches the writer below.
func TestRecordKeepsFlush(t *testing.T) {
	w := httptest.NewRecorder()
	Record()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !w.Flushed {
		t.Error("not flushed")
	}
}

// The access log has the reason of a problem and its cause. It omits unknown attributes.
func TestAccessLogOfAProblem(t *testing.T) {
	var line strings.Builder
	log := slog.New(slog.NewTextHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "time" || a.Key == "took_ms" {
			return slog.Attr{}
		}
		return a
	}}))
	h := Record(AccessLog(log, config.Log{}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := exchange.From(r)
		rec.Service, rec.Node, rec.Tries, rec.Waited = "shop", "shop-1", 2, 1500*time.Microsecond
		problem.Write(w, r, problem.NodeFailed.With(errors.New("it broke")))
	}))
	r := httptest.NewRequest("GET", "/p?q", nil)
	r.RemoteAddr = "@"
	h.ServeHTTP(httptest.NewRecorder(), r)
	want := `level=INFO msg=request method=GET host=example.com path=/p status=502 bytes=174 client=unknown proto=HTTP/1.1 ` +
		`service=shop node=shop-1 tries=2 queued_ms=1.5 reason=node_failed err="it broke"` + "\n"
	if line.String() != want {
		t.Errorf("got  %swant %s", line.String(), want)
	}
}

// The size of a body is limited without an engine, too.
func TestBodyIsLimited(t *testing.T) {
	limits := config.Limits{BodyBytes: 4, BodyRate: 500, BodyGrace: time.Minute}
	for _, c := range []struct {
		body   string
		length int64
		want   int
	}{{"four", 4, 200}, {"", 0, 200}, {"fives", 5, 413}, {"four", -1, 200}, {"fives", -1, 400}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(c.body)))
		r.ContentLength = c.length
		Body(limits)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(400)
			} else if string(got) != c.body {
				t.Errorf("read %q of %q", got, c.body)
			}
		})).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%q, length %d: %d", c.body, c.length, w.Code)
		}
	}
}
