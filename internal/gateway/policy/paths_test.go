package policy

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

func TestReplacePrefix(t *testing.T) {
	for _, c := range []struct{ prefix, path, escaped, want string }{
		{"/api", "/", "/api", "/"}, {"/api", "/", "/api/", "/"}, {"/api", "/", "/api/x", "/x"}, {"/api", "/", "/apix", ""}, {"/api", "/", "/", ""},
		{"/api", "/", "/api.json", ""}, {"/api", "/", "/%61pi/x", "/x"}, {"/api", "/", "/api%2Fx", ""}, {"/api", "/", "/api///x", "/x"}, {"/api", "/", "/api/%5Cx", "/%5Cx"},
		{"/a/b", "/", "/a/b/c", "/c"}, {"/a/b", "/", "/a", ""}, {"/a/b", "/", "/a/%62/c%2Fd", "/c%2Fd"},
		{"/ä", "/", "/%c3%a4/x", "/x"}, {"/api", "/v2", "/api", "/v2"}, {"/api", "/v2/", "/api/x", "/v2/x"}, {"/", "/v2", "/x", "/v2/x"}, {"/", "/v2", "/", "/v2/"},
		{"/api", "/", "*", ""}, {"/api", "/", "", ""}, {"/api", "/", "/%zz/x", ""},
	} {
		if got, _ := ReplacePrefix(c.prefix, c.path)(c.escaped); got != c.want {
			t.Errorf("%s by %s in %s: got %q, want %q", c.prefix, c.path, c.escaped, got, c.want)
		}
	}
}

func TestReplaceMatch(t *testing.T) {
	for _, c := range []struct{ match, to, escaped, want string }{
		{"/a/(.*)", "/b/$1", "/a/x", "/b/x"}, {"/a/(.*)", "/b/$1", "/x/a/x", ""}, {"/a", "/b", "/a/x", ""}, {"/a|/c", "/b", "/c", "/b"}, {"/a|/c", "/b", "/cx", ""},
		{"/(?P<n>[^/]+)/(.*)", "/$2/${n}x", "/a/b", "/b/ax"}, {"/(.*)", "/$1", "//evil.example", "/evil.example"}, {"(.*)", "$1", `/\evil.example`, "/evil.example"},
		{"/(.)", "/$$$1", "/%41", "/$A"}, {"/caf%C3%A9", "/x", "/caf%c3%a9", "/x"}, {"/(.*)", "/$1", "/%2f%2F%7E", "/%2F%2F~"}, {"/(a)?.*", "/x$1", "/b", "/x"},
	} {
		if got, _ := ReplaceMatch(regexp.MustCompile(`^(?:`+c.match+`)$`), c.to)(c.escaped); got != c.want {
			t.Errorf("%s to %s in %s: got %q, want %q", c.match, c.to, c.escaped, got, c.want)
		}
	}
}

// A new path is one that the node reads as the gateway has written it, or the request is refused.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"/m/admin", "/m/%2e%2e/x", "/m//x", "/m/..", `/m/\x`, "/m/%00", "/m/a%2Fb", "/m/%zz", "/api/./x", "/api//x"} {
		f.Add(s)
	}
	match := ReplaceMatch(regexp.MustCompile(`^(?:/m/(.*))$`), "/$1")
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.Contains(path, "?") {
			return
		}
		for _, change := range []PathChange{match, ReplacePrefix("/api", "/"), ReplacePrefix("/api", "/x")} {
			w := httptest.NewRecorder()
			Rewrite(change, func(*http.Request) bool { return false })(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				sent := r.URL.EscapedPath()
				if _, changed := change(u.EscapedPath()); !changed {
					return
				}
				if !strings.HasPrefix(sent, "/") || strings.HasPrefix(sent, "//") || ambiguousPath(r.URL.Path) {
					t.Errorf("%q became %q", path, sent)
				}
				if again, err := url.ParseRequestURI(sent); err != nil || again.Path != r.URL.Path {
					t.Errorf("%q became %q, which is not read as %q: %v", path, sent, r.URL.Path, err)
				}
			})).ServeHTTP(w, &http.Request{URL: u, Header: http.Header{}, Method: "GET"})
		}
	})
}

// No path, query or host of a client leads to a host that the target does not name, or to a second line of the header.
func FuzzRedirect(f *testing.F) {
	f.Add("/x", "a=b", "shop.example")
	f.Add("//evil.example", "@evil.example", "evil.example:80")
	f.Add(`/\evil.example`, "/../..", "[::1]:80")
	f.Add("/%0d%0aLocation:%20x", "%0d%0a", "a")
	targets := map[string]string{ // to the wanted host; "" for no host
		"{path}?{query}": "", "/new{path}": "", "https://fixed.example{path}?{query}": "fixed.example", "https://www.{host}{path}": "www.",
		"https://fixed.example/?q={path}&h={host}&x={query}#f": "fixed.example",
	}
	f.Fuzz(func(t *testing.T, path, query, host string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.ContainsAny(query, "# \r\n") || !wire.ValidHost(host) {
			return
		}
		u = &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: query}
		for to, want := range targets {
			r := (&exchange.Exchange{}).Attach(&http.Request{Method: "GET", URL: u, Host: host, Header: http.Header{}})
			location, ok := redirectTo(r, config.ParseTemplate(to, config.RedirectPlaceholders))
			if !ok {
				continue
			}
			if strings.ContainsAny(location, "\r\n\x00") {
				t.Fatalf("%s: %q", to, location)
			}
			if want == "www." {
				want += hostOnly(host)
			}
			// As browsers read it: a backslash is a slash.
			base, _ := url.Parse("https://gateway.example/")
			got, err := base.Parse(strings.ReplaceAll(location, `\`, "/"))
			if err != nil {
				continue // a browser does not follow it
			}
			if want == "" {
				want = "gateway.example"
			}
			if !strings.EqualFold(got.Host, want) {
				t.Errorf("%s for %q, %q, %q leads to %s (%q)", to, path, query, host, got.Host, location)
			}
		}
	})
}

func FuzzRequestID(f *testing.F) {
	f.Add("abc")
	f.Add("a b")
	f.Add("<script>")
	f.Fuzz(func(t *testing.T, s string) {
		if !validRequestID(s) {
			return
		}
		if len(s) > maxRequestID || strings.ContainsAny(s, "<>\"'&;$`|\\ \t\r\n") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("%q is accepted", s)
		}
	})
}

func TestNewRequestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newRequestID()
		if len(id) != 32 || !validRequestID(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// An id costs a part of an allocation, which is 0 allocs/op.
func BenchmarkNewRequestID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newRequestID()
	}
}
