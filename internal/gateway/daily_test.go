package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/crypto/bcrypt"
)

// seen is what a node has received.
type seen struct {
	Method, Target string
	Header         http.Header
}

// mirrorNode starts a node that responds with what it has received.
func mirrorNode(t testing.TB) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "node")
		w.Header().Set("Access-Control-Allow-Origin", "http://of-the-service")
		status := http.StatusOK
		fmt.Sscanf(r.URL.Query().Get("status"), "%d", &status)
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Header})
	}))
}

// routesFile is a configuration with the service shop at a mirror.
func routesFile(t testing.TB, top string, routes ...string) string {
	return top + "\nservices: {shop: {nodes: [\"" + mirrorNode(t) + "\"], slow_start: 0s}}\nroutes:\n  - " + strings.Join(routes, "\n  - ") + "\n"
}

// got reads the response of a mirror.
func got(t testing.TB, resp *http.Response, body string) (s seen) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &s); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	return s
}

// over runs a test over HTTP/1.1, and over HTTP/2 with TLS. send sends a request through a client.
func over(t *testing.T, yaml string, test func(t *testing.T, f *front, send func(method, path string, header ...string) (*http.Response, string))) {
	for _, h2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[h2], func(t *testing.T) {
			a, top := secure(t)
			f := startFile(t, top+yaml)
			client := secureClient(t, a, h2)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			test(t, f, func(method, path string, header ...string) (*http.Response, string) {
				t.Helper()
				req, err := http.NewRequest(method, "https://"+f.addr+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(header); i += 2 {
					if header[i] == "Host" {
						req.Host = header[i+1]
					} else {
						req.Header.Add(header[i], header[i+1])
					}
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp, string(body)
			})
		})
	}
}

func TestRewrittenPaths(t *testing.T) {
	over(t, routesFile(t, "",
		"{path: /api/v1, to: shop, strip_prefix: /api}", "{path: /café, to: shop, strip_prefix: on}", "{path: /old, to: shop, rewrite: /new/path}",
		`{path: /items, to: shop, rewrite: {match: "/items/([0-9]+)(/.*)?", to: "/i/${1}x$2"}}`, "{path: /root, to: shop, rewrite: /}",
		`{path: /any, to: shop, rewrite: {match: "/any/(.*)", to: "/$1"}}`, "{path: /, to: shop}"),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			for _, c := range []struct{ path, want, prefix string }{
				{"/api/v1", "/v1", "/api"}, {"/api/v1/x?a=b%20c", "/v1/x?a=b%20c", "/api"}, {"/%61pi/v1/%2fx", "/v1/%2fx", "/api"},
				{"/api/v2", "/api/v2", ""}, {"/caf%C3%A9", "/", "/caf%C3%A9"}, {"/caf%c3%a9//x", "/x", "/caf%C3%A9"},
				{"/caf%C3%A9/a%20b", "/a%20b", "/caf%C3%A9"},
				{"/old", "/new/path", ""}, {"/old/", "/new/path/", ""}, {"/old/x/y", "/new/path/x/y", ""}, {"/older", "/older", ""},
				{"/items/42", "/i/42x", ""}, {"/items/42/a%2Fb?q=1", "/i/42x/a%2Fb?q=1", ""}, {"/items/%34%32", "/i/42x", ""}, {"/items/x", "/items/x", ""},
				{"/root", "/", ""}, {"/root/x", "/x", ""}, {"/any/x", "/x", ""}, {"/any//evil.example", "/evil.example", ""},
			} {
				resp, body := send("GET", c.path)
				s := got(t, resp, body)
				if s.Target != c.want || s.Header.Get("X-Forwarded-Prefix") != c.prefix {
					t.Errorf("%s: the service got %s with the prefix %q, want %s with %q", c.path, s.Target, s.Header.Get("X-Forwarded-Prefix"), c.want, c.prefix)
				}
			}
			for _, path := range []string{"/any/%2e%2e", "/any/.%5C", "/api/v1/..%2fx"} {
				if resp, body := send("GET", path); resp.StatusCode != 400 {
					t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
				}
			}
			// The log has the path of the client.
			if paths := f.access.text(); !strings.Contains(paths, "path:/api/v1/x") || strings.Contains(paths, "path:/v1") {
				t.Errorf("the log has %s", paths)
			}
		})
}

// A client cannot forge the prefix, and a trusted proxy's prefix comes first.
func TestForwardedPrefix(t *testing.T) {
	for top, want := range map[string]string{"": "/api", "trusted_proxies: [127.0.0.1]": "/outer/api"} {
		f := startFile(t, routesFile(t, top, "{path: /api, to: shop, strip_prefix: on}"))
		resp, body := f.get(t, "/api/x", "X-Forwarded-Prefix", "/outer/")
		if got := got(t, resp, body).Header["X-Forwarded-Prefix"]; len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %q, want %s", top, got, want)
		}
	}
}

// A rewritten path is not a way around the policies of another route of the same service.
func TestRewrittenPathAvoidsNoPolicy(t *testing.T) {
	f := startFile(t, routesFile(t, "",
		"{path: /admin, to: shop, deny: 127.0.0.0/8}", "{path: /files, to: shop}",
		"{path: /api, to: shop, strip_prefix: on}", "{path: /v1, to: shop, rewrite: /files}",
		`{path: /m, to: shop, rewrite: {match: "/m/(.*)", to: "/$1"}}`, "{path: /meant/admin, to: shop, strip_prefix: /meant}"))
	for path, want := range map[string]int{
		"/api/x": 200, "/api/admin": 400, "/api/admin/x": 400, "/api/ADMIN": 400, "/api//admin": 400, "/api/%61dmin": 400, "/api/admin%2Fx": 400,
		"/api/x%2F..%2Fadmin": 400, "/api/admin;x": 400, "/api/admin.json": 400, "/v1/x": 200, "/m/admin": 400, "/m/a": 200, "/m/%2561dmin": 400,
		"/meant/admin": 200, "/admin": 403,
	} {
		if resp, body := f.get(t, path); resp.StatusCode != want {
			t.Errorf("%s: got %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
}

func TestWebSocketThroughStripPrefix(t *testing.T) {
	f := startFile(t, "services: {shop: {nodes: [\""+chat(t)+"\"]}}\nroutes:\n"+
		"  - {path: /chat, to: shop, strip_prefix: on, response_headers: {set: {X-A: b}}, request_headers: {set: {X-B: c}}, expose: node, cors: \"*\"}\n")
	ctx, c := dialChat(t, f, &websocket.DialOptions{HTTPHeader: http.Header{"X-Request-Id": {"of-the-client"}}})
	if got := says(t, ctx, c, "hello"); got != "hello" {
		t.Errorf("got %q", got)
	}
}

func TestRedirects(t *testing.T) {
	over(t, routesFile(t, "", "{path: /old, redirect: /new}", `{path: /q, redirect: {to: "/new{path}?{query}", status: 301}}`,
		`{path: /host, redirect: {to: "https://{host}{path}?{query}", status: 308}}`, `{path: /www, redirect: "https://www.{host}:8443{path}"}`,
		`{path: /other, redirect: "https://other.example{path}"}`, `{path: /path, redirect: "{path}"}`,
		`{path: /login, redirect: "https://id.example/?back={path}&q={query}#top"}`, "{path: /, to: shop}"),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			for _, c := range []struct {
				path   string
				status int
				want   string
			}{
				{"/old/x?y=z", 302, "/new"}, {"/q?a=b&c=%0d%0aX:y", 301, "/new/q?a=b&c=%0d%0aX:y"}, {"/q", 301, "/new/q"},
				{"/host/a%20b?x=1", 308, "https://shop.example/host/a%20b?x=1"}, {"/host", 308, "https://shop.example/host"},
				{"/www", 302, "https://www.shop.example:8443/www"}, {"/other/..%2fx", 400, ""}, {"/other/%0d%0aSet-Cookie:a", 302, "https://other.example/other/%0d%0aSet-Cookie:a"},
				{"/path//evil.example", 302, "/path//evil.example"}, {"//path//evil.example", 200, ""},
				{"/login?a=b&c=d", 302, "https://id.example/?back=%2Flogin&q=a%3Db%26c%3Dd#top"},
			} {
				resp, body := send("GET", c.path, "Host", "Shop.example:8080")
				if resp.StatusCode != c.status || resp.Header.Get("Location") != c.want || len(resp.Header["Location"]) > 1 || resp.Header["Set-Cookie"] != nil {
					t.Errorf("%s: got %d %q %q, want %d %q", c.path, resp.StatusCode, resp.Header["Location"], body, c.status, c.want)
				}
			}
			if resp, _ := send("POST", "/host", "Host", "[::1]:80"); resp.Header.Get("Location") != "https://[::1]/host" {
				t.Errorf("got %q", resp.Header)
			}
			if resp, body := send("GET", "/www", "Host", "[::1]:80"); resp.StatusCode != 400 {
				t.Errorf("a target that is no host: %d %q %q", resp.StatusCode, resp.Header["Location"], body)
			}
		})
}

// A CGI-like server reads X_User and X-User as the same variable.
func TestAClientCannotSpellAChangedFieldInAnotherWay(t *testing.T) {
	over(t, routesFile(t, "limits: {underscores: true}", `{path: /, to: shop, request_headers: {set: {X-User: "nobody", My_Own: "a"}, remove: [X-Role-Name]}}`),
		func(t *testing.T, _ *front, send func(string, string, ...string) (*http.Response, string)) {
			resp, body := send("GET", "/", "X_User", "admin", "x_role-Name", "admin", "My_own", "b", "X_Other", "kept")
			s := got(t, resp, body)
			for name, want := range map[string]string{"X-User": "nobody", "X_other": "kept", "X_user": "", "X_role-Name": "", "My_own": "a"} {
				if got := s.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q in %v", name, got, want, s.Header)
				}
			}
		})
}

func TestHeaderChanges(t *testing.T) {
	over(t, routesFile(t, "", `{path: /, to: shop, request_headers: {set: {X-Set: "{client} {host} {scheme} {path} {request_id} {other}"}, add: {X-Add: more}, remove: [Cookie]},`+
		` response_headers: {set: {X-Frame-Options: DENY, X-Id: "{request_id}"}, add: {Vary: X-A}, remove: [Server]}}`,
		`{path: /down, to: shop, deny: 127.0.0.1, response_headers: {set: {X-Frame-Options: DENY}}}`),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			resp, body := send("GET", "/a", "Cookie", "a=b", "X-Set", "of the client", "X-Set", "twice", "X-Add", "one", "X-Request-Id", "id-1", "Host", "a.example:99")
			s := got(t, resp, body)
			if want := "127.0.0.1 a.example https /a id-1 {other}"; strings.Join(s.Header["X-Set"], "|") != want {
				t.Errorf("X-Set is %q, want %s", s.Header["X-Set"], want)
			}
			if strings.Join(s.Header["X-Add"], "|") != "one|more" || s.Header["Cookie"] != nil {
				t.Errorf("the service got %v", s.Header)
			}
			if resp.Header.Get("X-Frame-Options") != "DENY" || resp.Header.Get("X-Id") != "id-1" || resp.Header["Server"] != nil || resp.Header.Get("Vary") != "X-A" {
				t.Errorf("the client got %v", resp.Header)
			}
			if resp, _ := send("GET", "/down"); resp.StatusCode != 403 || resp.Header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("own response: %d %v", resp.StatusCode, resp.Header)
			}
		})
}

// A client cannot have a field dropped by naming it in Connection.
func TestConnectionDropsNoFieldOfTheGateway(t *testing.T) {
	f := startFile(t, routesFile(t, "", `{path: /, to: shop, request_headers: {set: {X-Internal: "yes"}}}`))
	all := sendRaw(t, f.addr, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Internal, X-Other\r\nX-Internal: no\r\nX-Other: dropped\r\n\r\n")
	if !strings.Contains(all, `"X-Internal":["yes"]`) || strings.Contains(all, "X-Other") {
		t.Errorf("got %s", all)
	}
	if all := sendRaw(t, f.addr, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Request-Id\r\n\r\n"); !strings.HasPrefix(all, "HTTP/1.1 400 ") {
		t.Errorf("got %s", all)
	}
}

func hashOf(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func TestBasicAuth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("# users\n\nbob:"+hashOf(t, "of bob")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	over(t, routesFile(t, "", fmt.Sprintf("{path: /, to: shop, basic_auth: {users: {alice: %q}, file: %q, realm: the shop}, request_headers: {set: {X-User: \"{user}\"}}}", hashOf(t, "pässword:x"), file),
		fmt.Sprintf("{path: /keep, to: shop, basic_auth: {users: [%q], authorization: keep}}", "alice:"+hashOf(t, "x"))),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			basic := func(name, password string) string {
				r := http.Request{Header: http.Header{}}
				r.SetBasicAuth(name, password)
				return r.Header.Get("Authorization")
			}
			for range 2 { // the second time, the credentials are remembered
				resp, body := send("GET", "/", "Authorization", basic("alice", "pässword:x"))
				s := got(t, resp, body)
				if s.Header["Authorization"] != nil || s.Header.Get("X-User") != "alice" {
					t.Errorf("the service got %v", s.Header)
				}
			}
			resp, body := send("GET", "/", "Authorization", basic("bob", "of bob"))
			got(t, resp, body)
			resp, body = send("GET", "/keep", "Authorization", basic("alice", "x"))
			if s := got(t, resp, body); s.Header.Get("Authorization") == "" {
				t.Error("the service did not get the field that it wants")
			}
			for name, fields := range map[string][]string{
				"none": nil, "another scheme": {"Authorization", "Bearer x"}, "not base64": {"Authorization", "Basic %%%"},
				"no colon": {"Authorization", "Basic YWxpY2U="}, "wrong password": {"Authorization", basic("alice", "x")},
				"unknown user": {"Authorization", basic("carol", "pässword:x")}, "empty": {"Authorization", basic("", "")},
				"twice":    {"Authorization", basic("alice", "pässword:x"), "Authorization", basic("alice", "pässword:x")},
				"with NUL": {"Authorization", basic("alice", "pässword:x\x00pässword:x")}, "long": {"Authorization", basic("alice", strings.Repeat("x", 3000))},
			} {
				resp, body := send("GET", "/", fields...)
				if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || challenge != `Basic realm="the shop", charset="UTF-8"` {
					t.Errorf("%s: got %d %q %s", name, resp.StatusCode, challenge, body)
				}
			}
			for _, secret := range []string{"pässword", "of bob"} {
				if strings.Contains(f.access.text()+f.events.text(), secret) {
					t.Error("the log has a password")
				}
			}
		})
}

func TestNetworks(t *testing.T) {
	f := startFile(t, routesFile(t, "trusted_proxies: [127.0.0.1]",
		"{path: /allow, to: shop, allow: [10.0.0.0/8, \"2001:db8::/32\"]}", "{path: /deny, to: shop, deny: [10.1.0.0/16, \"::ffff:192.0.2.0/120\"]}",
		"{path: /both, to: shop, allow: 10.0.0.0/8, deny: 10.1.0.0/16}"))
	for _, c := range []struct {
		path, client string
		want         int
	}{
		{"/allow", "10.2.3.4", 200}, {"/allow", "2001:db8::1", 200}, {"/allow", "192.0.2.1", 403}, {"/allow", "::ffff:10.2.3.4", 200},
		{"/deny", "10.1.2.3", 403}, {"/deny", "10.2.2.3", 200}, {"/deny", "192.0.2.7", 403}, {"/deny", "::ffff:192.0.2.7", 403},
		{"/both", "10.1.2.3", 403}, {"/both", "10.2.2.3", 200}, {"/both", "11.0.0.1", 403},
		{"/allow", "10.2.3.4, 192.0.2.1", 403}, // the address that the trusted proxy has seen counts
	} {
		resp, body := f.get(t, c.path, "X-Forwarded-For", c.client)
		if resp.StatusCode != c.want {
			t.Errorf("%s from %s: got %d %s", c.path, c.client, resp.StatusCode, body)
		}
		if c.want == 403 && problemOf(t, resp, body) != "address_denied" {
			t.Errorf("got %s", body)
		}
	}
}

func TestCORS(t *testing.T) {
	const page, other = "https://shop.example", "https://evil.example"
	over(t, routesFile(t, "", fmt.Sprintf("{path: /, to: shop, auth: off, basic_auth: {users: {a: %q}}, cors: {origins: [%q, \"https://*.b.example\"], credentials: on, expose: X-Total, headers: [Content-Type, X-A], max_age: 1h}}", hashOf(t, "b"), page),
		"{path: /any, methods: [GET, DELETE], to: shop, cors: \"*\"}", `{path: /all, to: shop, cors: {origins: "https://shop.example", headers: "*"}}`),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			preflight := func(path, origin, method string, more ...string) *http.Response {
				resp, _ := send("OPTIONS", path, append([]string{"Origin", origin, "Access-Control-Request-Method", method}, more...)...)
				return resp
			}
			resp := preflight("/", page, "PUT", "Access-Control-Request-Headers", "x-a")
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": page, "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "GET, HEAD, POST",
				"Access-Control-Allow-Headers": "Content-Type, X-A", "Access-Control-Max-Age": "3600", "Vary": "Origin",
			} {
				if got := resp.Header.Get(name); got != want || resp.StatusCode != 204 {
					t.Errorf("preflight: %d, %s is %q, want %q", resp.StatusCode, name, got, want)
				}
			}
			for origin, want := range map[string]string{
				page: page, other: "", "null": "", "https://x.b.example": "https://x.b.example", "https://b.example": "", "https://evilb.example": "",
				"http://shop.example": "", "https://shop.example.evil.example": "", "https://x.b.example.evil.example": "", "https://shop.example:8443": "",
				"https://evil.example/.b.example": "", "https://evil.example?.b.example": "",
			} {
				resp := preflight("/", origin, "GET")
				if resp.Header.Get("Access-Control-Allow-Origin") != want || (resp.StatusCode == 204) != (want != "") || resp.Header.Get("Vary") != "Origin" {
					t.Errorf("preflight from %s: %d %v", origin, resp.StatusCode, resp.Header)
				}
				resp, _ = send("GET", "/", "Origin", origin, "Authorization", "Basic YTpi")
				if resp.Header.Get("Access-Control-Allow-Origin") != want || resp.StatusCode != 200 || resp.Header.Get("Vary") != "Origin" {
					t.Errorf("GET from %s: %d %v", origin, resp.StatusCode, resp.Header)
				}
			}
			if resp, _ := send("GET", "/", "Origin", page); resp.StatusCode != 401 || resp.Header.Get("Access-Control-Allow-Origin") != page {
				t.Errorf("a refusal cannot be read by the page: %d %v", resp.StatusCode, resp.Header)
			}
			if resp, _ := send("GET", "/any"); resp.Header["Access-Control-Allow-Origin"] != nil || resp.Header["Vary"] != nil {
				t.Errorf("without an origin: %v", resp.Header)
			}
			if resp := preflight("/any", other, "DELETE"); resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header["Access-Control-Allow-Credentials"] != nil ||
				resp.Header.Get("Access-Control-Allow-Methods") != "GET, DELETE" {
				t.Errorf("preflight of a route with methods: %d %v", resp.StatusCode, resp.Header)
			}
			if resp := preflight("/all", page, "GET", "Access-Control-Request-Headers", "authorization, x-b, b@d"); resp.Header.Get("Access-Control-Allow-Headers") != "authorization, x-b" {
				t.Errorf("every header: %v", resp.Header)
			}
		})
}

func TestMaintenance(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte("<p>back soon, {request_id}"), 0o600); err != nil {
		t.Fatal(err)
	}
	over(t, routesFile(t, "", "{path: /on, to: shop, maintenance: {text: Back at noon., retry_after: 90s}}",
		fmt.Sprintf("{path: /page, to: shop, maintenance: {page: %q}}", page), "{path: /allowed, to: shop, maintenance: {allow: 127.0.0.1}}"),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			resp, body := send("GET", "/on")
			if problemOf(t, resp, body) != "maintenance" || resp.Header.Get("Retry-After") != "90" || !strings.Contains(body, "Back at noon.") || resp.StatusCode != 503 {
				t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
			}
			resp, body = send("GET", "/on", "Accept", "text/html,*/*;q=0.8")
			if resp.StatusCode != 503 || !strings.Contains(body, "<p>Back at noon.</p>") || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
			}
			resp, body = send("GET", "/page", "X-Request-Id", "id-1")
			if body != "<p>back soon, id-1" || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "60" {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
			if resp, body = send("GET", "/page", "Accept", "application/json"); problemOf(t, resp, body) != "maintenance" {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
			resp, body = send("GET", "/allowed")
			got(t, resp, body)
		})
}

// A paused request waits until a reload ends the maintenance, and is held on by a reload that does not. When too many wait,
// one more gets 503 at once.
func TestPause(t *testing.T) {
	file := func(route string) string { return routesFile(t, "", route) }
	f := startFile(t, file("{path: /, to: shop, maintenance: {pause: 1m, pause_requests: 2}}"))
	type answer struct {
		resp *http.Response
		body string
	}
	answers := make(chan answer, 3)
	for _, method := range []string{"GET", "POST", "GET"} {
		go func() {
			var body io.Reader
			if method == "POST" {
				body = strings.NewReader("the body")
			}
			resp, text := f.do(t, method, "/paused", body)
			answers <- answer{resp, text}
		}()
	}
	if a := receive(t, "the answer to one of three", answers); a.resp.StatusCode != 503 {
		t.Errorf("too many: got %d %s", a.resp.StatusCode, a.body)
	}
	f.change(t, file("{path: /, to: shop, maintenance: {pause: 1m, pause_requests: 2}, response_headers: {add: {X-A: b}}}"))
	await(t, "both requests wait", func() bool { return f.requests.n.Load() == 2 })
	if len(answers) > 0 {
		t.Fatalf("a request was let go: %+v", <-answers)
	}
	f.change(t, file("{path: /, to: shop, response_headers: {add: {X-A: c}}}"))
	for range 2 {
		a := receive(t, "an answer", answers)
		got(t, a.resp, a.body)
		if values := a.resp.Header["X-A"]; len(values) != 1 || values[0] != "c" {
			t.Errorf("the request passed policies twice: %v", a.resp.Header)
		}
	}
	for _, record := range f.access.wait(t, 3)[1:] {
		if record["paused_ms"] == nil || record["status"] != int64(200) {
			t.Errorf("the log has %v", record)
		}
	}
}

func TestPauseEnds(t *testing.T) {
	f := startFile(t, routesFile(t, "drain: 20s", "{path: /short, to: shop, maintenance: {pause: 20ms}}", "{path: /long, to: shop, maintenance: {pause: 10m}}",
		"{path: /allowed, to: shop, maintenance: {pause: 10m, allow: 127.0.0.1}}"))
	if resp, body := f.get(t, "/short"); resp.StatusCode != 503 || problemOf(t, resp, body) != "maintenance" {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	resp, body := f.get(t, "/allowed")
	got(t, resp, body)
	gone, cancel := context.WithCancel(t.Context())
	go func() {
		req, _ := http.NewRequestWithContext(gone, "GET", f.url("/long"), nil)
		if resp, err := newClient(t).Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	await(t, "a request is held", func() bool { return f.requests.n.Load() == 1 })
	cancel()
	if r := f.access.wait(t, 3)[2]; r["status"] != int64(499) {
		t.Errorf("a client that is gone: %v", r)
	}
	answers := make(chan int, 1)
	go func() {
		resp, _ := f.get(t, "/long")
		answers <- resp.StatusCode
	}()
	await(t, "a request is held", func() bool { return f.requests.n.Load() == 1 })
	f.cancel()
	if status := receive(t, "an answer", answers); status != 503 {
		t.Errorf("a request at the end of the gateway: %d", status)
	}
}

func TestErrorPages(t *testing.T) {
	dir := t.TempDir()
	page := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	top := fmt.Sprintf("error_pages: {404: %q, 5xx: %q, service: on}", page("404.html", "<h1>global {status} {title} {reason} {request_id}"), page("5xx.txt", "global 5xx"))
	over(t, routesFile(t, top, "{path: /plain, to: shop}", fmt.Sprintf("{path: /own, to: shop, error_pages: {403: %q, 404: %q}}", page("403.json", `{"own":403}`), page("own.html", "own 404")),
		fmt.Sprintf("{path: /denied, to: shop, deny: 0.0.0.0/0, error_pages: %q}", page("all.html", "all errors"))),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			for _, c := range []struct {
				path, accept, want, mediaType string
				status                        int
			}{
				{"/none", "", "<h1>global 404 Not Found no_route id-1", "text/html; charset=utf-8", 404},
				{"/none", "*/*", "<h1>global 404 Not Found no_route id-1", "text/html; charset=utf-8", 404},
				{"/none", "application/json", "", "application/problem+json", 404},
				{"/none", "image/png", "", "application/problem+json", 404},
				{"/plain?status=404", "text/html", "<h1>global 404 Not Found  id-1", "text/html; charset=utf-8", 404},
				{"/plain?status=503", "", "global 5xx", "text/plain; charset=utf-8", 503},
				{"/plain?status=418", "", "", "", 418}, {"/plain?status=404", "application/json", "", "", 404}, {"/plain", "", "", "", 200},
				{"/own?status=403", "", "", "", 403}, // not for the service
				{"/own?status=404", "", "<h1>global 404 Not Found  id-1", "text/html; charset=utf-8", 404},
				{"/denied", "", "all errors", "text/html; charset=utf-8", 403},
			} {
				header := []string{"X-Request-Id", "id-1"}
				if c.accept != "" {
					header = append(header, "Accept", c.accept)
				}
				resp, body := send("GET", c.path, header...)
				if resp.StatusCode != c.status || c.want != "" && body != c.want || c.mediaType != "" && resp.Header.Get("Content-Type") != c.mediaType {
					t.Errorf("%s for %q: got %d %q %s", c.path, c.accept, resp.StatusCode, resp.Header.Get("Content-Type"), body)
				}
				if c.want == "" && c.mediaType == "" && !strings.Contains(body, `"Target"`) {
					t.Errorf("%s: the response of the service was replaced: %s", c.path, body)
				}
				if head, _ := send("HEAD", c.path, header...); head.StatusCode != c.status || head.ContentLength >= 0 && head.ContentLength != resp.ContentLength && !strings.Contains(body, "Target") {
					t.Errorf("HEAD %s: %d, %d bytes, want those of GET, %d", c.path, head.StatusCode, head.ContentLength, resp.ContentLength)
				}
			}
		})
}

func TestBrowsersGetAPage(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	over(t, routesFile(t, "", "{path: /x, to: shop, deny: 0.0.0.0/0}"),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			resp, body := send("GET", "/x", "Accept", browser, "X-Request-Id", "id-1")
			if resp.StatusCode != 403 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(body, "<h1>403 Forbidden</h1>") ||
				!strings.Contains(body, "address_denied<br>request id-1") || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
			}
			for _, accept := range []string{"", "*/*", "application/json", "application/json, text/plain, */*", "text/html;q=0.5, application/json", "text/html;q=0"} {
				resp, body := send("GET", "/x", "Accept", accept)
				if problemOf(t, resp, body) != "address_denied" {
					t.Errorf("%q: got %s", accept, body)
				}
			}
		})
}

func TestRequestID(t *testing.T) {
	over(t, routesFile(t, "", "{path: /, to: shop}", "{path: /x, to: shop, deny: 0.0.0.0/0}"),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
			records := 0
			for given, kept := range map[string]bool{
				"": false, "abc": true, "550e8400-e29b-41d4-a716-446655440000": true, "Root=1-67891233-abcdef012345678912345678": true,
				"a b": false, `a"b`: false, "<b>": false, strings.Repeat("a", 129): false, "ä": false,
			} {
				header := []string{"Traceparent", trace, "Tracestate", "a=1,b=2"}
				if given != "" {
					header = append(header, "X-Request-Id", given)
				}
				resp, body := send("GET", "/", header...)
				s := got(t, resp, body)
				id := resp.Header.Get("X-Request-Id")
				if len(resp.Header["X-Request-Id"]) != 1 || len(s.Header["X-Request-Id"]) != 1 || s.Header.Get("X-Request-Id") != id || kept != (id == given) || !kept && len(id) != 32 {
					t.Errorf("%q: the client got %q, the service %q", given, resp.Header["X-Request-Id"], s.Header["X-Request-Id"])
				}
				if s.Header.Get("Traceparent") != trace || s.Header.Get("Tracestate") != "a=1,b=2" {
					t.Errorf("the service got %v", s.Header)
				}
				records++
				if r := f.access.wait(t, records)[records-1]; r["request_id"] != id {
					t.Errorf("the log has %v, want the id %s", r, id)
				}
			}
			if resp, _ := send("GET", "/x"); len(resp.Header.Get("X-Request-Id")) != 32 {
				t.Errorf("a refusal has the header %v", resp.Header)
			}
			if resp, _ := send("GET", "/", "X-Request-Id", "a", "X-Request-Id", "b"); len(resp.Header.Get("X-Request-Id")) != 32 {
				t.Errorf("two ids: %v", resp.Header)
			}
		})
}

func TestExposeNode(t *testing.T) {
	over(t, routesFile(t, "expose: node", "{path: /, to: shop}", "{path: /off, to: shop, expose: off}", "{path: /x, to: shop, deny: 0.0.0.0/0}"),
		func(t *testing.T, f *front, send func(string, string, ...string) (*http.Response, string)) {
			resp, _ := send("GET", "/")
			if timing := resp.Header.Get("Server-Timing"); resp.Header.Get("X-Tenfold-Node") != "shop-1" || !strings.HasPrefix(timing, `node;desc="shop-1", queue;dur=0, total;dur=`) {
				t.Errorf("got %v", resp.Header)
			}
			if resp, _ := send("GET", "/off"); resp.Header["X-Tenfold-Node"] != nil || resp.Header["Server-Timing"] != nil {
				t.Errorf("got %v", resp.Header)
			}
			if resp, _ := send("GET", "/x"); resp.Header["X-Tenfold-Node"] != nil || resp.Header["Server-Timing"] == nil {
				t.Errorf("a refusal: %v", resp.Header)
			}
		})
}

func TestLogSwitches(t *testing.T) {
	for top, want := range map[string][2]any{"": {nil, nil}, "log: {query: on}": {"a=b", nil}, "log: {user_agent: on}": {nil, "test/1"}} {
		f := startFile(t, routesFile(t, top, "{path: /, to: shop}"))
		f.get(t, "/?a=b", "User-Agent", "test/1")
		if r := f.access.wait(t, 1)[0]; r["query"] != want[0] || r["user_agent"] != want[1] {
			t.Errorf("%q: got %v", top, r)
		}
	}
	f := startFile(t, routesFile(t, "log: {access: off}", "{path: /, to: shop}"))
	f.get(t, "/")
	f.change(t, routesFile(t, "log: {access: on}", "{path: /, to: shop}"))
	f.get(t, "/second")
	if r := f.access.wait(t, 1)[0]; r["path"] != "/second" {
		t.Errorf("got %v", r)
	}
}
