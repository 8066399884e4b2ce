package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestInvalidTargets(t *testing.T) {
	for _, test := range []struct{ url, method, header, want string }{
		{"ftp://a/", "", "", "http:// or https://"},
		{"localhost:8080", "", "", "http:// or https://"},
		{"http:///x", "", "", "no host"},
		{"http://u:p@a/", "", "", "a password in the URL"},
		{"http://a/", "GET /", "", "method"},
		{"http://a/", "CONNECT", "", "method"},
		{"http://a/", "", "Content-Length", "follows from the request"},
		{"http://a/", "", "a b", "not a header name"},
	} {
		h := http.Header{}
		if test.header != "" {
			h[test.header] = []string{"1"}
		}
		if _, err := NewTarget(test.url, test.method, h, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if _, err := NewTarget("http://a/", "", http.Header{"X": {"a\r\nb"}}, nil); err == nil {
		t.Error("a header value with a line end was accepted")
	}
}

// Both callers send exactly the request of the target.
func TestRequestsArriveAsGiven(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			var wrong atomic.Value
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "PUT" || r.RequestURI != "/a%20b?c=d" || r.Header.Get("X") != "y" || r.Host != "shop.test" ||
					string(body) != "text" {
					wrong.Store(fmt.Sprint(r.Method, r.RequestURI, r.Header, r.Host, string(body)))
				}
			}))
			start(server)
			defer server.Close()
			target, err := NewTarget(server.URL+"/a%20b?c=d", "PUT", http.Header{"X": {"y"}, "Host": {"shop.test"}},
				[]byte("text"))
			if err != nil {
				t.Fatal(err)
			}
			g, err := New(target, &Options{
				Duration: 200 * time.Millisecond, Warmup: noWarmup(), TLS: &tls.Config{InsecureSkipVerify: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			s, err := g.Users(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			if w := wrong.Load(); w != nil || s.Requests == 0 || s.Errors != 0 || s.Offered != 0 || s.Users != 2 {
				t.Errorf("arrived: %v; %+v", w, s)
			}
		})
	}
}

// An interrupted step ends at once, although its requests would take longer, and is marked as incomplete.
func TestInterruptedStep(t *testing.T) {
	arrived := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	target, _ := NewTarget(server.URL, "", nil, nil)
	g, err := New(target, &Options{Duration: time.Hour, Timeout: time.Hour, Warmup: noWarmup()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	s, err := g.Rate(ctx, 100)
	if err != nil || !s.Incomplete || s.Valid || !strings.Contains(s.InvalidReason, "interrupted") {
		t.Errorf("%+v, %v", s, err)
	}
}
