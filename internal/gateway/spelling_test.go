package gateway

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/policy"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// No spelling of a path avoids the policies of its route: the request gets them or is refused.
func TestNoSpellingAvoidsAPolicy(t *testing.T) {
	f := startFile(t, fmt.Sprintf(`
services: {shop: {nodes: [%q]}}
routes:
  - {path: /api, to: shop, rate_limit: 1/h}
  - {path: /, to: shop}
`, named(t, "shop")))
	request := func(path string) string {
		got := sendRaw(t, f.addr, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		return strings.Fields(got + " - -")[1]
	}
	if got := request("/api"); got != "200" {
		t.Fatalf("the first request got %s", got)
	}
	for path, want := range map[string]string{
		"/api": "429", "/api/x": "429",

		"/api.json": "429", "/api.json/x": "429", "/api.tar.gz": "429", "/api.v2/x": "429", // treated as /api
		"/api.json/": "429",

		"/%2561pi/x": "400", "/%252561pi": "400", "/api%252fx": "400", "/api%25252fx": "400", "/%25%36%31pi": "400",
		"/x/%252e%252e/api/x": "400", "/x%252f..%252fapi": "400", "/x/.%252e/api": "400", "/x/..%2520/api": "400",
		"/%25u0061pi": "400", "/%25c1%25a1pi": "400", "/api%25c0%25afx": "400", "/x/%25c0%25ae%25c0%25ae/api": "400",

		"/api%20": "400", "/api%20/x": "400", "/%20api": "400", "/api%c2%a0/x": "400", "/api%e3%80%80": "400",
		"/api./x": "400", "/api.": "400", "/api..": "400", "/api.%20.": "400", "/api+": "400", "/+api": "400",
		"/api%09/x": "400", "/api%0a": "400", "/api%0d%0a/x": "400", "/api%00": "400", "/a%0bpi": "400",
		"/api%7f": "400", "/api%c2%85": "400", "/api%2509/x": "400", "/a%2509pi": "400", "/api%2500.css": "400",

		"/api::$DATA": "400", "/api::$data/x": "400", "/api:$I30:$INDEX_ALLOCATION/x": "400", "/api;v=1": "400", "/api;/x": "400",
		"/;v=1/api": "400", "/api%3bv=1": "400", "/api%253bv=1": "400", "/api;x.json": "400", "/api.json;x": "400",

		"/api%c0%afx": "400", "/api%c0%afx/y": "400", "/%c1%a1pi": "400", "/api%e0%80%afx": "400", "/api%ff": "400", "/api\xff": "400",
		"/api%ed%a0%80": "400", "/x/%c0%ae%c0%ae/api": "400",

		"/ap%c4%b1/x": "400", "/AP%c4%b0": "400", "/%c3%a1pi": "400", "/a%cc%81pi": "400", "/ap\xc4\xb1": "400",
		"/%ef%bd%81%ef%bd%90%ef%bd%89": "400", "/%e2%93%90pi": "400", "/ap%e2%85%b0": "400", "/%c2%aapi": "400",
		"/api%ef%bc%8fx": "400", "/api%e2%88%95x": "400", "/api%ef%bc%bcx": "400", "/api%ef%bc%8ejson": "400",
		"/%ef%bc%8561pi": "400", "/a%e2%80%8bpi": "400", "/a%c2%adpi": "400", "/api%ef%bb%bf": "400", "/api%ef%b8%8f": "400",

		"//api": "400", "/API": "400", `/\api`: "400", "/api%2fx": "400", "/api%5cx": "400", "/x%2f..%2fapi": "400",
		"/index.php/api": "400", "/index.php/api.json": "400", "/cgi-bin/app.fcgi/api/x": "400", "/index.PHP/api": "400",

		"/": "200", "/apix": "200", "/ap": "200", "/x/api": "200", "/api-v2": "200", "/apis.json": "200", "/x.json": "200",
		"/.api": "200", "/a.pi": "200", "/style.css": "200", "/X/API": "200", "/gr%c3%b6%c3%9fe": "200", "/%2520": "200",
		"/a%2fpi": "200", "/x;api": "200", "/@api": "200", "/~api": "200", "/api~1": "200", "/x/%25": "200", "/100%25": "200",
		"/x?q=/../api%00": "200", "/index.php": "200", "/index.php/x": "200", "/api:x": "200",
	} {
		if got := request(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// A route whose path is a spelling of another route's path is meant for that spelling.
func TestRouteForASpellingWins(t *testing.T) {
	f := startFile(t, fmt.Sprintf(`
services: {shop: {nodes: [%q]}, other: {nodes: [%q]}}
routes:
  - {path: /api, to: shop, rate_limit: 1/h}
  - {path: /api.json, to: shop}
  - {path: /API, to: shop}
  - {path: /api/v1, to: shop, rate_limit: 1/h}
  - {path: /v1, to: shop, rate_limit: 1/h}
  - {path: /v1.1, to: shop}
  - {path: /größe, to: shop, rate_limit: 1/h}
  - {path: /grosse, to: shop}
  - {path: /tasks, to: shop, rate_limit: 1/h}
  - {path: "/tasks;all", to: shop}
  - {path: /free, to: other}
  - {path: /, to: shop}
`, named(t, "shop"), named(t, "other")))
	for _, row := range []struct{ path, want string }{
		{"/api.json", "200"}, {"/api.json/x", "200"}, {"/API/x", "200"}, {"/API/x.json", "200"}, {"/v1.1/x", "200"}, {"/grosse", "200"},
		{"/tasks;all", "200"}, {"/tasks;all/1", "200"},
		{"/api.json/v1", "200"}, {"/api.json/v1", "429"}, {"/API/v1", "400"}, // read as /api/v1, which has other policies
		{"/api.json/%252e%252e/v1", "400"}, {"/free/%00", "400"}, // leads out of the path
		{"/API/%252e%252e/api", "400"},                               // the same
		{"/aPi", "400"}, {"/Api.Json", "400"}, {"/tasks;one", "400"}, // other spellings
		{"/gr%c3%b6sse", "400"}, {"/GROSSE", "400"}, {"/v1.2", "200"}, // the first request of /v1
		{"/v1.2", "429"}, {"/free/%0a", "200"}, {"/free/%c0%af", "200"}, // a service without policies
	} {
		got := sendRaw(t, f.addr, "GET "+row.path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if got = strings.Fields(got + " - -")[1]; got != row.want {
			t.Errorf("%s: got %s, want %s", row.path, got, row.want)
		}
	}
}

// The suffix of a segment never leads from a route with policies to another one.
func TestSuffixKeepsPolicies(t *testing.T) {
	f := startFile(t, fmt.Sprintf(`
services: {shop: {nodes: [%q]}}
routes:
  - {path: /open, to: shop, rate_limit: 1000/s}
  - {path: /, to: shop, rate_limit: 1/h}
`, named(t, "shop")))
	if resp, body := f.do(t, "GET", "/open.json", nil); resp.StatusCode != 400 {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	if resp, body := f.do(t, "GET", "/open", nil); resp.StatusCode != 200 {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// normalisations are how frameworks and servers read the path of a request. Each returns the paths by which it may
// route the request. They are written without looking at the gateway's own code.
var normalisations = map[string]func(target string) []string{
	"Rails": func(s string) []string { // Journey squeezes slashes; (.:format) is optional behind every route
		s = squeeze(unescape(s))
		return []string{s, withoutSuffix(s)}
	},
	"Django": func(s string) []string { // patterns may ignore case, which also equates some letters beyond ASCII
		s = unescape(s)
		return []string{s, "/" + strings.TrimLeft(s, "/"), foldSimple(s)}
	},
	"Express": func(s string) []string { // matches the encoded path, ignoring case
		return []string{strings.ToLower(s), strings.TrimSuffix(strings.ToLower(s), "/")}
	},
	"Spring": func(s string) []string { // UrlPathHelper: parameters, decoding, slashes; then suffix patterns
		s = squeeze(unescape(withoutParameters(s)))
		return []string{s, withoutSuffix(s)}
	},
	"Tomcat": func(s string) []string {
		s = strings.ReplaceAll(unescape(withoutParameters(s)), `\`, "/")
		once := path.Clean(squeeze(s))
		twice := path.Clean(squeeze(unescape(withoutParameters(once)))) // a second dispatch
		return []string{once, twice}
	},
	"IIS": func(s string) (all []string) {
		for range 3 { // double decoding was the default, and filters decode again
			s = strings.ReplaceAll(unescapeIIS(s), `\`, "/")
			var kept []string
			for segment := range strings.SplitSeq(path.Clean(squeeze(s)), "/") {
				segment, _, _ = strings.Cut(segment, "::$")
				kept = append(kept, strings.TrimRight(segment, ". "))
			}
			all = append(all, foldSimple(strings.Join(kept, "/")))
		}
		return all
	},
	"PHP": func(s string) []string { // Apache, a front controller, and urldecode of the path
		s = squeeze(s)
		_, info, _ := strings.Cut(s, ".php")
		once := unescape(s)
		cut, _, _ := strings.Cut(once, "\x00")
		plus := strings.TrimSpace(unescape(strings.ReplaceAll(s, "+", " ")))
		return []string{path.Clean(once), unescape(info), cut, plus, unescape(once)}
	},
	"nginx": func(s string) []string { // decodes, merges slashes and resolves dots; a second proxy does so again
		once := path.Clean(squeeze(unescape(s)))
		return []string{once, path.Clean(squeeze(unescape(once)))}
	},
	"WHATWG URL": func(s string) []string {
		drop := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/", "%2e", ".", "%2E", ".")
		once := drop.Replace(s)
		return []string{path.Clean(once), path.Clean(drop.Replace(unescape(s)))}
	},
	"macOS": func(s string) []string { // HFS+: case, composition, invisible characters
		s = norm.NFD.String(unescape(s))
		s = strings.Map(func(r rune) rune {
			if r == 0xfeff || 0x200b <= r && r <= 0x200f {
				return -1
			}
			return r
		}, s)
		return []string{cases.Fold().String(s)}
	},
	"compatibility forms": func(s string) []string {
		return []string{cases.Fold().String(norm.NFKC.String(unescape(s))), path.Clean(norm.NFKC.String(unescape(s)))}
	},
}

func squeeze(s string) string {
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	return s
}

// unescape decodes valid escapes and keeps others, as lenient decoders do.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && wire.IsHex(s[i+1]) && wire.IsHex(s[i+2]) {
			decoded, _ := url.PathUnescape(s[i : i+3])
			b.WriteString(decoded)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescapeIIS decodes overlong forms and %uXXXX as well.
func unescapeIIS(s string) string {
	for i := 0; i+6 <= len(s); i++ {
		var r rune
		if n, _ := fmt.Sscanf(strings.ToLower(s[i:i+6]), "%%u%04x", &r); n == 1 {
			s = s[:i] + string(r) + s[i+6:]
		}
	}
	s = unescape(s)
	for c := 0x20; c < 0x7f; c++ {
		s = strings.ReplaceAll(s, string([]byte{0xc0 | byte(c>>6), 0x80 | byte(c&0x3f)}), string(rune(c)))
	}
	return s
}

func withoutSuffix(s string) string {
	s = strings.TrimSuffix(s, "/")
	if dot := strings.LastIndexByte(s, '.'); dot > strings.LastIndexByte(s, '/')+1 {
		return s[:dot]
	}
	return s
}

func withoutParameters(s string) string {
	segments := strings.Split(s, "/")
	for i := range segments {
		segments[i], _, _ = strings.Cut(segments[i], ";")
	}
	return strings.Join(segments, "/")
}

func foldSimple(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// spellingRoutes are two guarded routes of different depth below an open one.
var spellingRoutes = []string{"/api", "/shop/cart"}

// spellingHandler has the part of the gateway that decides about paths. It answers 200 on the open route, and 299 on a
// guarded one.
func spellingHandler() http.Handler {
	var routes []route
	for _, p := range spellingRoutes {
		r := &config.Route{Path: p, To: "shop", Auth: config.AuthJWT}
		routes = append(routes, route{Route: r, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(299) })})
	}
	routes = append(routes, route{Route: &config.Route{Path: "/", To: "shop", Auth: config.AuthOff},
		handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	router := newRouter(routes)
	return policy.Strict(config.Limits{URIBytes: 8 << 10, HeaderLines: 100})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := router.find(r)
		if m.refusal != nil {
			w.WriteHeader(m.refusal.Status)
			return
		}
		m.route.handler.ServeHTTP(w, r)
	}))
}

// checkSpellingOf sends a target to the handler. If the target passes on the open route, no normalisation of what the
// node gets may lead to a guarded path. It returns the status, or 0 for a target that no engine lets through.
func checkSpellingOf(t *testing.T, h http.Handler, target string) int {
	if !wire.ValidTarget(target) {
		return 0
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")))
	if err != nil || r.URL.Host != "" {
		return 0
	}
	sent := r.URL.EscapedPath()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, (&exchange.Exchange{}).Attach(r))
	if w.Code != 200 {
		return w.Code
	}
	for name, f := range normalisations {
		for _, got := range f(sent) {
			for _, guarded := range spellingRoutes {
				if got == guarded || strings.HasPrefix(got, guarded+"/") {
					t.Errorf("%s reads %s as %s, and it passes on the open route", name, target, got)
				}
			}
		}
	}
	return w.Code
}

// spelled writes a guarded path in a way that the choices decide.
func spelled(c *choices) string {
	octet := func(b byte) string {
		plain := fmt.Sprintf("%%%02x", b)
		return c.of(string(b), string(b), string(b), strings.ToUpper(string(b)), plain, strings.ToUpper(plain),
			strings.ReplaceAll(plain, "%", "%25"), fmt.Sprintf("%%25u%04x", b), fmt.Sprintf("%%%02x%%%02x", 0xc0|b>>6, 0x80|b&0x3f),
			fmt.Sprintf("%%25%02x%%25%02x", 0xc0|b>>6, 0x80|b&0x3f), fmt.Sprintf("%%%x%%%x", 0x25, b>>4)+fmt.Sprintf("%x", b&15),
			url.PathEscape(string(rune(b)+0xfee0)), "%25"+fmt.Sprintf("25%02x", b))
	}
	slash := func() string {
		return c.of("/", "/", "/", "//", "%2f", "%5C", `\`, "/./", "/;x/", "/%2e/", "%252f", "%255c", "/x/../", "/x/%252e%252e/", "/%2509/",
			"/x/..;y/", "%e2%88%95", "%ef%bc%8f", "/%20/", "/index.php/", "/x/%252e%252e;/", "%c0%af", "/...//", "/x/..%2520/")
	}
	behind := func() string {
		return c.of("", "", "", ".json", "%20", ".", "..", ";v=1", "::$DATA", ":$I30:$INDEX_ALLOCATION", "%00", "%2500.gif", "%09", "%0a", "+",
			"%2520", "%253bx", "%e2%80%8b", "%cc%81", "%c2%a0", "%7f", "%ff", ".%20", ".tar.gz", "%2e", "%252ejson", ";x.html", ".css;y")
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(c.of(spellingRoutes...)[1:], "/") {
		b.WriteString(slash())
		for i := range len(segment) {
			b.WriteString(octet(segment[i]))
		}
		b.WriteString(behind())
	}
	b.WriteString(c.of("", "/", "/x", "//x", "/x.json", "?q", "/%252e", "/../x"))
	return b.String()
}

// Each spelling that the pieces of spelled make alone, and random combinations of them.
func TestSpellingsThatServersDecode(t *testing.T) {
	h := spellingHandler()
	counts := map[int]int{}
	try := func(data []byte) {
		c := choices(data)
		target := spelled(&c)
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
		counts[checkSpellingOf(t, h, target)]++
	}
	for at := range 16 {
		for choice := range 32 {
			data := make([]byte, 16)
			data[at] = byte(choice)
			try(data)
		}
	}
	r := rand.NewChaCha8([32]byte{2})
	data := make([]byte, 24)
	for n := range 100_000 {
		r.Read(data)
		if n%2 == 0 { // few pieces at a time
			for i := range data {
				if data[i]%4 != 0 {
					data[i] = 0
				}
			}
		}
		try(data)
		if t.Failed() {
			break
		}
	}
	t.Logf("statuses %v", counts)
	if counts[400] < 1000 || counts[299] < 10 {
		t.Errorf("statuses %v: too few spellings were refused or routed", counts)
	}
}

// FuzzSpelling searches for a target that passes on an open route, although a framework reads it as a guarded path: one
// of any octets, and one of the pieces of spelled.
func FuzzSpelling(f *testing.F) {
	h := spellingHandler()
	for _, s := range []string{"/api", "/api.json", "/%2561pi/x", "/x/%252e%252e/api", "/shop/cart", "/shop//CART;x", "/api::$DATA", "/ap%c4%b1"} {
		f.Add(s, []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, target string, pieces []byte) {
		checkSpellingOf(t, h, target)
		c := choices(pieces)
		checkSpellingOf(t, h, spelled(&c))
	})
}

// FuzzNormalForm checks that a normal form is stable, and that the readings of every path are found in bounded time.
func FuzzNormalForm(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2525", "/%u0061", "/\xc0\xaf", "/a;b/c.d.e", "/..;/x", "/+/+", "/ﷺ/％２５"} {
		f.Add(s)
	}
	var tree pathTree
	for _, r := range []string{"/", "/a", "/a/b", "/+/+", "/a.b/c;d"} {
		tree.add(r, []route{{Route: &config.Route{Path: r}}})
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") {
			return
		}
		form, _, ok := normalForm(path)
		if !ok {
			return
		}
		if !utf8.ValidString(form) || !strings.HasPrefix(form, "/") {
			t.Fatalf("%q has the normal form %q", path, form)
		}
		if again, _, ok := normalForm(form); ok && again != form {
			t.Errorf("%q has the normal form %q, which has the normal form %q", path, form, again)
		}
		if all, _ := tree.readings(nil, form); len(all) == 0 || len(all) > maxReadings+8 {
			t.Errorf("%q has %d readings", form, len(all))
		}
	})
}

// BenchmarkRouter measures the choice of a route, for paths that are plain, that need a second look, and that are
// decoded. The routes have policies, or not.
func BenchmarkRouter(b *testing.B) {
	for _, auth := range []config.Auth{config.AuthOff, config.AuthJWT} {
		var routes []route
		for _, p := range []string{"/api", "/api/orders", "/static"} {
			routes = append(routes, route{Route: &config.Route{Path: p, To: "shop", Auth: auth}})
		}
		routes = append(routes, route{Route: &config.Route{Path: "/", To: "shop", Auth: config.AuthOff}})
		rt := newRouter(routes)
		for _, path := range []string{"/api/orders/17", "/assets/js/App.3f2a.js", "/gr%C3%B6%C3%9Fe/x"} {
			u, _ := url.ParseRequestURI(path)
			r := &http.Request{Method: "GET", Host: "shop.example:8080", URL: u}
			b.Run(fmt.Sprintf("auth=%v%s", auth, path), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if m := rt.find(r); m.route == nil {
						b.Fatal("no route")
					}
				}
			})
		}
	}
}
