package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// Of 110 healthy requests, none fails while another URL breaks a limit of the gateway, or another route always answers
// 502.
func TestFailingURLLeavesHealthyRequestsAlone(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/cookies":
			for i := range 300 {
				w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=1", i))
			}
		case strings.HasPrefix(r.URL.Path, "/bad"):
			w.WriteHeader(502)
		}
	}
	for _, c := range []struct {
		name, routes string
		bad          func(i int) string
		status       int
		reason       string
	}{
		{"response above a limit", "", func(int) string { return "/cookies" }, 502, "response_limit"},
		{"route", "\nroutes: [{path: /bad, to: shop}, {path: /, to: shop}]", func(i int) string { return fmt.Sprint("/bad/", i) }, 502, ""},
		{"URL", "", func(int) string { return "/bad" }, 502, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, c.routes, "", address(serve(t, h)), address(serve(t, h)))
			for i := range 30 {
				resp, body := f.get(t, c.bad(i))
				if resp.StatusCode != c.status {
					t.Fatalf("%d %s, want %d", resp.StatusCode, body, c.status)
				}
				if c.reason != "" {
					if reason := problemOf(t, resp, body); reason != c.reason ||
						!strings.Contains(body, "more than 256 (services.shop.response.header_lines)") {
						t.Fatalf("%s", body)
					}
				}
			}
			for i := range 110 {
				if resp, body := f.get(t, fmt.Sprint("/good/", i%7)); resp.StatusCode != 200 {
					t.Fatalf("healthy request %d: %d %s", i, resp.StatusCode, body)
				}
			}
			for _, n := range f.Nodes("shop") {
				if n.Ejected {
					t.Errorf("ejected: %+v", n)
				}
			}
		})
	}
}

// A response above a limit shows that the service has done its work. A repetition with the same key has no second effect.
func TestResponseAboveALimitUnderAKey(t *testing.T) {
	effects := atomic.Int64{}
	node := serve(t, func(w http.ResponseWriter, r *http.Request) {
		effects.Add(1)
		for range 300 {
			w.Header().Add("Set-Cookie", "a=b")
		}
	})
	f := startOn(t, sharedStore(t, redistest.Start(t).Addr()), orders(address(node)))
	for _, want := range []string{"502 response_limit", "410 answer_not_kept"} {
		req, err := http.NewRequest("POST", f.url("/orders"), strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", "k1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", problemOf(t, resp, string(body))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if n := effects.Load(); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}
