package policy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/ratelimit"
)

// limited returns a function that serves a request under a limit and returns its answer and its exchange.
func limited(l config.RateLimit) func(r *http.Request) (*httptest.ResponseRecorder, *exchange.Exchange) {
	limiter := ratelimit.New(nil, nil).Limiter(&config.Route{Path: "/", RateLimit: &l})
	var last *exchange.Exchange
	h := Chain(Record(func(_ *http.Request, rec *exchange.Exchange) { last = rec }), RateLimit(limiter, l))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	return func(r *http.Request) (*httptest.ResponseRecorder, *exchange.Exchange) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w, last
	}
}

// unreadBody is a body that must not be read.
type unreadBody struct{ t *testing.T }

func (u unreadBody) Read([]byte) (int, error) {
	u.t.Error("the body of a refused request was read")
	return 0, io.EOF
}

func TestRateLimit(t *testing.T) {
	for form, c := range map[string]struct {
		limit          config.RateLimit
		policy, detail string
		retry          int // the longest Retry-After, in seconds
	}{
		"100/h": {config.RateLimit{Rate: config.Rate{Requests: 100, Per: time.Hour}, Burst: 2}, `"default";q=100;w=3600;tenfold-burst=2`, "more than 100/h requests", 36},
		"1/m":   {config.RateLimit{Rate: config.Rate{Requests: 1, Per: time.Minute}, Burst: 2}, `"default";q=1;w=60;tenfold-burst=2`, "more than 1/m requests", 60},
	} {
		c.limit.Caller = config.Caller{By: "all"}
		serve := limited(c.limit)
		for range 2 {
			w, rec := serve(httptest.NewRequest("POST", "/", strings.NewReader("body")))
			if w.Code != 200 || w.Body.String() != "body" || rec.Reason != "" || w.Header().Get("RateLimit") != "" || w.Header().Get("RateLimit-Policy") != "" {
				t.Errorf("%s: admitted: %d %q %v", form, w.Code, w.Body, w.Header())
			}
		}
		w, rec := serve(httptest.NewRequest("POST", "/", unreadBody{t}))
		h := w.Header()
		retry, err := strconv.Atoi(h.Get("Retry-After"))
		if w.Code != 429 || rec.Reason != "rate_limited" || err != nil || retry < 1 || retry > c.retry ||
			h.Get("RateLimit-Policy") != c.policy || h.Get("RateLimit") != `"default";r=0;t=`+h.Get("Retry-After") || !strings.Contains(w.Body.String(), c.detail) {
			t.Errorf("%s: %d %v %s", form, w.Code, h, w.Body)
		}
	}
}

func TestRateLimitCountsByCaller(t *testing.T) {
	serve := limited(config.RateLimit{Rate: config.Rate{Requests: 1, Per: time.Hour}, Burst: 1, Caller: config.Caller{By: "header", Name: "X-Key"}})
	for i, c := range []struct {
		key, from string
		want      int
	}{
		{"a", "192.0.2.1:1", 200}, {"a", "192.0.2.2:1", 429}, {"b", "192.0.2.1:1", 200}, {"b", "192.0.2.1:1", 429},
		{"", "192.0.2.1:1", 200}, {"", "192.0.2.1:2", 429}, {"", "192.0.2.2:1", 200},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.from
		if c.key != "" {
			r.Header.Set("X-Key", c.key)
		}
		if w, _ := serve(r); w.Code != c.want {
			t.Errorf("request %d, key %q from %s: %d, want %d", i, c.key, c.from, w.Code, c.want)
		}
	}
}
