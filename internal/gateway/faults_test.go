package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
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
