package gateway

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
)

// named starts a node that responds with its name.
func named(t testing.TB, name string) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) }))
}

func TestRoutes(t *testing.T) {
	var services strings.Builder
	for _, name := range []string{"root", "api", "orders", "read", "beta", "shop", "wild", "deep", "six", "umlaut"} {
		fmt.Fprintf(&services, "  %s: {nodes: [%q]}\n", name, named(t, name))
	}
	f := startFile(t, "services:\n"+services.String()+`
routes:
  - {path: /, to: root}
  - {path: /api, to: api}
  - {path: /api/orders, methods: [POST, PUT], to: orders}
  - {path: /api/read, methods: [GET, HEAD], to: read}
  - {path: /api, headers: {X-Version: beta}, to: beta}
  - {path: /api/any, headers: {X-Version: "*"}, methods: [GET], to: beta}
  - {host: shop.example, to: shop}
  - {host: "*.example", to: wild}
  - {host: "*.deep.example", path: /d, to: deep}
  - {host: "[::1]", to: six}
  - {path: /größe, to: umlaut}
  - {host: only.example.org, path: /post, methods: [POST, DELETE], to: api}
  - {host: only.example.org, path: /post, headers: {X-Key: "*"}, methods: [PATCH, POST], to: beta}
`)
	for _, row := range []struct {
		method, host, path string
		header             string // "Name: value"
		want               string // a service, or a status
	}{
		{"GET", "a", "/", "", "root"},
		{"GET", "a", "/x", "", "root"},
		{"GET", "a", "/api", "", "api"},
		{"GET", "a", "/api/", "", "api"},
		{"GET", "a", "/api?q=/x", "", "api"},
		{"GET", "a", "/api/x/y", "", "api"},
		{"GET", "a", "/apix", "", "root"},
		{"GET", "a", "/ap", "", "root"},
		{"GET", "a", "/API", "", "root"},
		{"GET", "a", "/%61pi/x", "", "api"},
		{"GET", "a", "/api%2Fx", "", "root"},  // an encoded slash is part of a segment
		{"GET", "a", "/api%2fx|", "", "root"}, // also if another octet has to be encoded
		{"GET", "a", "//api", "", "root"},
		{"GET", "a", "/api;v=1", "", "root"},
		{"GET", "a", "/gr%C3%B6%C3%9Fe/x", "", "umlaut"},
		{"POST", "a", "/api/orders", "", "orders"},
		{"POST", "a", "/api/orders/1", "", "orders"},
		{"GET", "a", "/api/orders/1", "", "api"}, // matches the next shorter path
		{"HEAD", "a", "/api/read", "", "200"},
		{"POST", "a", "/api/read", "", "api"},
		{"GET", "a", "/api/x", "X-Version: beta", "beta"},
		{"GET", "a", "/api/x", "x-version: beta", "beta"},
		{"GET", "a", "/api/x", "X-Version: betamax", "api"},
		{"POST", "a", "/api/orders", "X-Version: beta", "orders"}, // the longer path wins over the condition
		{"GET", "a", "/api/any", "X-Version: 7", "beta"},
		{"GET", "a", "/api/any", "", "api"},
		{"GET", "shop.example", "/", "", "shop"},
		{"GET", "SHOP.Example:80", "/", "", "shop"},
		{"GET", "shop.example.", "/", "", "shop"},
		{"GET", "www.example", "/api", "", "wild"}, // the host counts before the path
		{"GET", "a.b.example", "/", "", "wild"},
		{"GET", "example", "/", "", "root"},
		{"GET", "evilexample", "/", "", "root"},
		{"GET", "x.deep.example", "/d/1", "", "deep"},
		{"GET", "x.deep.example", "/e", "", "wild"},
		{"GET", "deep.example", "/d", "", "wild"},
		{"GET", "[::1]", "/", "", "six"},
		{"GET", "[::1]:8080", "/", "", "six"},
		{"GET", "only.example.org", "/post", "", "root"}, // matches the route of another host
		{"OPTIONS", "a", "*", "", "root"},
		{"BREW", "a", "/api", "", "api"},
	} {
		send := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", row.method, row.path, row.host, strings.TrimPrefix(row.header+"\r\n", "\r\n"))
		got := sendRaw(t, f.addr, send)
		if row.want == "200" && strings.HasPrefix(got, "HTTP/1.1 200 ") {
			continue
		}
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "\r\n\r\n"+row.want) {
			t.Errorf("%s %s%s %s: got %q, want %s", row.method, row.host, row.path, row.header, got, row.want)
		}
	}
}

// Servers read some paths in several ways. No way may lead around the policies of a route.
func TestAmbiguousPath(t *testing.T) {
	shop, web := named(t, "shop"), named(t, "web")
	f := startFile(t, fmt.Sprintf(`
services: {shop: {nodes: [%q]}, web: {nodes: [%q]}}
routes:
  - {path: /, to: shop}
  - {path: /api, to: shop, rate_limit: {rate: 1000/s, scope: gateway}}
  - {path: /api/public, to: shop}
  - {path: /api/Big, methods: [POST], to: shop, rate_limit: {rate: 1000/s, scope: gateway}}
  - {path: /web, to: web}
  - {path: /web/in, to: web, rate_limit: {rate: 1000/s, scope: gateway}}
  - {host: open.example, to: shop}
`, shop, web))
	const refused = "400"
	for _, row := range []struct{ method, host, path, want string }{
		{"GET", "a", "/api/orders", "shop"},
		{"GET", "a", "/api", "shop"},
		{"GET", "a", "/Orders/%2F;x=1//A", "shop"}, // the same policies in every way
		{"GET", "a", "/api%2Forders", refused},
		{"GET", "a", "/api%2forders", refused},
		{"GET", "a", "/%2Fapi", refused},
		{"GET", "a", "/%2Fapi%2f", refused},
		{"GET", "a", "//api/orders", refused},
		{"GET", "a", "/api;v=1/orders", refused},
		{"GET", "a", "/;v=1/api", refused},
		{"GET", "a", "/API/orders", refused},
		{"GET", "a", "/aPi", refused},
		{"GET", "a", "/%41pi", refused},
		{"GET", "a", `/%5Capi`, refused},
		{"GET", "a", `/\api`, refused},
		{"GET", "a", "/api/orders%2F1", "shop"}, // the same route in both ways
		{"GET", "a", "/api/Orders", "shop"},
		{"GET", "a", "/API/public", "shop"},
		{"GET", "a", "/api//public", "shop"}, // the policies apply although they need not
		{"POST", "a", "/api/Big", "shop"},
		{"POST", "a", "/api/big", refused},
		{"GET", "a", "/api/big", "shop"},
		{"GET", "a", "/WEB/in", "shop"}, // policies of another service do not apply
		{"GET", "a", "/web//in", refused},
		{"GET", "open.example", "/API", "shop"},
		{"post", "a", "/api/Big", "405"},
		{"Get", "a", "/", "405"},
		{"brew", "a", "/", "shop"},
	} {
		got := sendRaw(t, f.addr, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", row.method, row.path, row.host))
		if !strings.HasPrefix(got, "HTTP/1.1 "+row.want+" ") && !(strings.HasPrefix(got, "HTTP/1.1 200 ") && strings.HasSuffix(got, "\r\n\r\n"+row.want)) {
			t.Errorf("%s %s: got %q, want %s", row.method, row.path, got, row.want)
		}
	}
}

// A request without a route gets 404. It gets 405 with Allow when the path has routes for other methods.
func TestNoRoute(t *testing.T) {
	f := startFile(t, fmt.Sprintf(`
services: {shop: {nodes: [%q]}}
routes:
  - {host: shop.example, path: /a, methods: [POST, GET], to: shop}
  - {host: shop.example, path: /a/b, methods: [PUT, POST], to: shop}
  - {host: shop.example, path: /a/b, methods: [PATCH], headers: {X-Key: "*"}, to: shop}
`, named(t, "shop")))
	for _, row := range []struct {
		method, host, path, key string
		want                    int
		allow                   string
	}{
		{"GET", "other.example", "/a", "", 404, ""},
		{"GET", "shop.example", "/b", "", 404, ""},
		{"GET", "shop.example", "/ab", "", 404, ""},
		{"DELETE", "shop.example", "/a", "", 405, "GET, POST"},
		{"DELETE", "shop.example", "/a/b/c", "", 405, "GET, POST, PUT"},
		{"PATCH", "shop.example", "/a/b", "", 405, "GET, POST, PUT"}, // a route whose header does not match allows no method
		{"DELETE", "shop.example", "/a/b", "1", 405, "GET, PATCH, POST, PUT"},
		{"HEAD", "shop.example", "/a", "", 405, "GET, POST"},
		{"TRACE", "shop.example", "/a", "", 405, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
	} {
		header := []string{"Host", row.host}
		if row.key != "" {
			header = append(header, "X-Key", row.key)
		}
		resp, body := f.do(t, row.method, row.path, nil, header...)
		if resp.StatusCode != row.want || resp.Header.Get("Allow") != row.allow {
			t.Errorf("%s %s%s: got %d, Allow %q", row.method, row.host, row.path, resp.StatusCode, resp.Header.Get("Allow"))
		}
		if row.method == "HEAD" {
			continue
		}
		if reason := problemOf(t, resp, body); reason != map[int]string{404: "no_route", 405: "method"}[row.want] {
			t.Errorf("%s %s%s: reason %q", row.method, row.host, row.path, reason)
		}
	}
}

// specification is the definition of the router, as in config.Route. Of all routes that match, an exact host wins
// over a wildcard (the longer one first), and a wildcard over no host; then the longest path, then the most
// conditions, then the first route in the file.
func specification(routes []config.Route, method, host string, segments []string, header http.Header) (found *config.Route, allowed []string) {
	best := []int{-1}
	for i := range routes {
		r := &routes[i]
		rank := 0
		switch {
		case r.Host == "":
		case strings.HasPrefix(r.Host, "*."):
			if !strings.HasSuffix(host, r.Host[1:]) {
				continue
			}
			rank = len(r.Host)
		case r.Host != host:
			continue
		default:
			rank = 1 << 20
		}
		want := strings.Split(strings.TrimSuffix(r.Path, "/"), "/")
		if len(want) > len(segments) || !slices.Equal(want, segments[:len(want)]) {
			continue
		}
		matches := true
		for name, value := range r.Headers {
			got := header.Values(name)
			matches = matches && len(got) > 0 && (value == "*" || slices.Contains(got, value))
		}
		if !matches {
			continue
		}
		conditions := len(r.Headers)
		if len(r.Methods) > 0 {
			conditions++
			if !slices.Contains(r.Methods, method) {
				allowed = append(allowed, r.Methods...)
				continue
			}
		}
		if this := []int{rank, len(want), conditions, -i}; slices.Compare(this, best) > 0 {
			best, found = this, r
		}
	}
	return found, allowed
}

// choices makes choices from data. After the end of data, it always makes the first one.
type choices []byte

func (c *choices) of(all ...string) string {
	if len(*c) == 0 {
		return all[0]
	}
	b := (*c)[0]
	*c = (*c)[1:]
	return all[int(b)%len(all)]
}

// compareRouter makes routes and requests from data, and compares the router with its specification.
func compareRouter(t *testing.T, data []byte) {
	c := choices(data)
	var routes []config.Route
	for i := 0; i < 8 && len(c) > 0; i++ {
		r := config.Route{To: fmt.Sprint(i)}
		r.Host = c.of("", "a.example", "*.example", "*.a.example", "b.a.example", "*.b.a.example", "[::1]")
		r.Path = c.of("/", "/a", "/a/b", "/ab", "/a/b/c", "/ä", "/a;x", "/b/a")
		if m := c.of("", "", "GET", "POST", "GET POST"); m != "" {
			r.Methods = strings.Fields(m)
		}
		if h := c.of("", "", "", "X-A=*", "X-A=1", "X-A=1 X-B=*"); h != "" {
			r.Headers = map[string]string{}
			for _, h := range strings.Fields(h) {
				name, value, _ := strings.Cut(h, "=")
				r.Headers[name] = value
			}
		}
		routes = append(routes, r)
	}
	all := make([]route, len(routes))
	for i := range routes {
		all[i].Route = &routes[i]
	}
	rt := newRouter(all)
	for range 4 {
		method := c.of("GET", "POST", "PUT")
		host := c.of("a.example", "x.example", "b.a.example", "c.b.a.example", "x.y.b.a.example", "example", ".example", "", "[::1]", "a.b", "..", "*.example")
		sent := c.of("", ":80", ".", ".:80", ":")
		path := "/"
		for range 4 {
			path += c.of("", "/", "a", "b", "c", "ab", "a/", "b/", "/a", "%61", "%2F", "%2f", "%C3%A4", ";x", "|", "%7C")
		}
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		for _, h := range strings.Fields(c.of("", "X-A=1", "X-A=2", "X-A=2 X-A=1", "X-A=1 X-B=3", "X-B=3")) {
			name, value, _ := strings.Cut(h, "=")
			header.Add(name, value)
		}
		var segments []string // of the path that the node gets
		for s := range strings.SplitSeq(u.EscapedPath(), "/") {
			decoded, err := url.PathUnescape(s)
			if err != nil {
				t.Fatal(err)
			}
			segments = append(segments, decoded)
		}
		name := strings.TrimSuffix(host, ".")
		want, allowed := specification(routes, method, name, segments, header)
		got := rt.find(&http.Request{Method: method, Host: strings.ToUpper(host) + sent, URL: u, Header: header})
		if got.route == nil != (want == nil) || want != nil && got.route.To != want.To {
			t.Errorf("%s %s%s %v: got %+v, want %+v of %+v", method, host, path, header, got.route, want, routes)
		}
		if want == nil {
			slices.Sort(allowed)
			slices.Sort(got.allowed)
			if !slices.Equal(slices.Compact(allowed), slices.Compact(got.allowed)) {
				t.Errorf("%s %s%s %v: allowed %v, want %v of %+v", method, host, path, header, got.allowed, allowed, routes)
			}
		}
	}
}

func TestRouterMatchesItsSpecification(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	data := make([]byte, 100)
	for range 20_000 {
		r.Read(data)
		compareRouter(t, data[:20+int(data[0])%80])
		if t.Failed() {
			return
		}
	}
}

func FuzzRouter(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05"))
	f.Fuzz(compareRouter)
}

// FuzzRoutingPath checks that a request is routed by the path that the node gets, segment by segment.
func FuzzRoutingPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a%2Fb", "/a%2fb|", "/%C3%A4", "//", "/a%", "/%zz", "/a%252Fb", "*", "/a\\b%2F", "/é%2f", "/[%2f]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || u.Opaque != "" {
			return
		}
		got := strings.Split(routingPath(&http.Request{URL: u}), "/")
		sent := strings.Split(u.EscapedPath(), "/")
		if len(got) != len(sent) {
			t.Fatalf("%q: routed by %q, sent as %q", target, got, sent)
		}
		for i := range got {
			decoded, err := url.PathUnescape(sent[i])
			if err != nil || got[i] != strings.ReplaceAll(decoded, "/", "%2F") {
				t.Errorf("%q: routed by %q, sent as %q: %v", target, got, sent, err)
			}
		}
	})
}

// FuzzHostName checks that every host has a name, and that port and case do not matter.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"", ":", "a", "A.example.:80", "[::1]:80", "[::1]", "]:[", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name := hostName(host)
		if strings.ContainsAny(host, "]:") {
			return
		}
		if hostName(host+":80") != name {
			t.Errorf("%q is %q, with a port %q", host, name, hostName(host+":80"))
		}
	})
}
