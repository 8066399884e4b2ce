package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// mirror starts a node that responds with the header that it got, sorted, without the fields that net/http's client
// adds and the id of the request.
func mirror(t testing.TB) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		var lines []string
		for name, values := range r.Header {
			if name == "User-Agent" || name == "Accept-Encoding" || name == "X-Request-Id" {
				continue
			}
			lines = append(lines, fmt.Sprintf("%s: %s", name, strings.Join(values, " | ")))
		}
		slices.Sort(lines)
		io.WriteString(w, strings.Join(lines, "\n"))
	}))
}

// TestForwardedHeader compares the header that a client sends with the one that the node gets.
func TestForwardedHeader(t *testing.T) {
	const trusting = "trusted_proxies: [127.0.0.1, 10.0.0.0/8, \"fd00::/8\"]\n"
	ours := func(xff, real, proto, host, forwarded string, port ...string) string {
		for i := range port {
			port[i] = "\nX-Forwarded-Port: " + port[i]
		}
		return "Forwarded: " + forwarded + "\nX-Forwarded-For: " + xff + "\nX-Forwarded-Host: " + host + strings.Join(port, "") +
			"\nX-Forwarded-Proto: " + proto + "\nX-Real-Ip: " + real
	}
	plain := ours("127.0.0.1", "127.0.0.1", "http", "shop.example", `for=127.0.0.1;proto=http;host="shop.example"`)
	for _, row := range []struct {
		name, top string
		send      []string
		want      string
	}{
		{"nothing", "", nil, plain},
		{"a stranger is not believed", "", []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "7.7.7.7", "X-Forwarded-Proto", "https",
			"X-Forwarded-Host", "evil", "X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/e", "X-Forwarded-Server", "e", "X-Forwarded-Ssl", "on",
			"X-Real-Ip", "6.6.6.6", "Forwarded", "for=6.6.6.6", "X-Original-Url", "/admin", "X-Rewrite-Url", "/admin",
			"X-HTTP-Method-Override", "DELETE", "X-Method-Override", "DELETE", "X-HTTP-Method", "DELETE",
			"X_Forwarded_For", "6.6.6.6", "X_Real-IP", "6.6.6.6"}, plain},
		{"nor under another spelling", "limits: {underscores: on}", []string{"X_Forwarded_For", "6.6.6.6", "X-Real_Ip", "6.6.6.6", "My_Own", "1"},
			strings.Replace(plain, "\nX-Forwarded-For", "\nMy_own: 1\nX-Forwarded-For", 1)},
		{"underscores are dropped", "", []string{"My_Own", "1"}, plain},
		{"a trusted proxy is", trusting, []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "www.example",
			"X-Forwarded-Port", "443", "Forwarded", "for=1.2.3.4;proto=https"},
			`Forwarded: for=1.2.3.4;proto=https, for=127.0.0.1;proto=https;host="www.example"` +
				"\nX-Forwarded-For: 1.2.3.4, 127.0.0.1\nX-Forwarded-Host: www.example\nX-Forwarded-Port: 443\nX-Forwarded-Proto: https\nX-Real-Ip: 1.2.3.4"},
		{"but not with another URL or method than the one that was routed", trusting, []string{"X-Original-Url", "/admin",
			"X-Rewrite-Url", "/admin", "X-HTTP-Method-Override", "DELETE", "X-Method-Override", "DELETE", "X-HTTP-Method", "DELETE"}, plain},
		{"but not for more than it saw", trusting, []string{"X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.1.1.1", "X-Real-Ip", "6.6.6.6"},
			ours("6.6.6.6, 1.2.3.4, 10.1.1.1, 127.0.0.1", "1.2.3.4", "http", "shop.example", `for=6.6.6.6, for=1.2.3.4;proto=http;host="shop.example", for=10.1.1.1, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"over several lines", trusting, []string{"X-Forwarded-For", "6.6.6.6, 1.2.3.4", "X-Forwarded-For", "10.1.1.1", "X-Forwarded-For", "fd00::1"},
			ours("6.6.6.6, 1.2.3.4, 10.1.1.1, fd00::1, 127.0.0.1", "1.2.3.4", "http", "shop.example", `for=6.6.6.6, for=1.2.3.4;proto=http;host="shop.example", for=10.1.1.1, for="[fd00::1]", for=127.0.0.1;proto=http;host="shop.example"`)},
		{"all of them trusted", trusting, []string{"X-Forwarded-For", "10.1.1.1, 10.2.2.2"},
			ours("10.1.1.1, 10.2.2.2, 127.0.0.1", "10.1.1.1", "http", "shop.example", `for=10.1.1.1;proto=http;host="shop.example", for=10.2.2.2, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"nonsense ends the walk", trusting, []string{"X-Forwarded-For", "1.2.3.4, unknown, 10.1.1.1"},
			ours("1.2.3.4, unknown, 10.1.1.1, 127.0.0.1", "10.1.1.1", "http", "shop.example", `for=1.2.3.4, for=unknown, for=10.1.1.1;proto=http;host="shop.example", for=127.0.0.1;proto=http;host="shop.example"`)},
		{"with ports", trusting, []string{"X-Forwarded-For", "[2001:db8::1]:443, 10.1.1.1:80"},
			ours("[2001:db8::1]:443, 10.1.1.1:80, 127.0.0.1", "2001:db8::1", "http", "shop.example", `for="[2001:db8::1]";proto=http;host="shop.example", for=10.1.1.1, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"IPv4 within IPv6", trusting, []string{"X-Forwarded-For", "::ffff:1.2.3.4, ::ffff:10.1.1.1"},
			ours("::ffff:1.2.3.4, ::ffff:10.1.1.1, 127.0.0.1", "1.2.3.4", "http", "shop.example", `for=1.2.3.4;proto=http;host="shop.example", for=10.1.1.1, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"Forwarded alone", trusting, []string{"Forwarded", `for="[2001:db8::1]:4711";proto=https;host="www.example:8443", for=10.1.1.1`},
			ours("2001:db8::1, 10.1.1.1, 127.0.0.1", "2001:db8::1", "https", "www.example:8443",
				`for="[2001:db8::1]:4711";proto=https;host="www.example:8443", for=10.1.1.1, for=127.0.0.1;proto=https;host="www.example:8443"`, "8443")},
		{"Forwarded with a spoofed element", trusting, []string{"Forwarded", `for=6.6.6.6;proto=https;host=evil`, "Forwarded", `for=1.2.3.4;proto=http`},
			ours("6.6.6.6, 1.2.3.4, 127.0.0.1", "1.2.3.4", "http", "shop.example",
				`for=6.6.6.6;proto=https;host=evil, for=1.2.3.4;proto=http, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"an obfuscated client", trusting, []string{"Forwarded", `for=_hidden;proto=https`},
			ours("unknown, 127.0.0.1", "127.0.0.1", "https", "shop.example", `for=_hidden;proto=https, for=127.0.0.1;proto=https;host="shop.example"`)},
		{"a malformed Forwarded", trusting, []string{"Forwarded", `for="1.2.3.4`}, plain},
		{"both families, the nearer address and http win", trusting, []string{"X-Forwarded-For", "6.6.6.6, 10.1.1.1", "X-Forwarded-Proto", "https",
			"Forwarded", "for=1.2.3.4;proto=http"},
			ours("1.2.3.4, 127.0.0.1", "1.2.3.4", "http", "shop.example", `for=1.2.3.4;proto=http, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"read: x-forwarded", trusting + "forwarded: {read: x-forwarded}\n", []string{"X-Forwarded-For", "1.2.3.4", "Forwarded", "for=6.6.6.6;proto=https"},
			ours("1.2.3.4, 127.0.0.1", "1.2.3.4", "http", "shop.example",
				`for=1.2.3.4;proto=http;host="shop.example", for=127.0.0.1;proto=http;host="shop.example"`)},
		{"read: forwarded", trusting + "forwarded: {read: forwarded}\n", []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "Forwarded", "for=1.2.3.4"},
			ours("1.2.3.4, 127.0.0.1", "1.2.3.4", "http", "shop.example", `for=1.2.3.4, for=127.0.0.1;proto=http;host="shop.example"`)},
		{"write: x-forwarded", trusting + "forwarded: {write: x-forwarded}\n", []string{"Forwarded", "for=1.2.3.4;proto=https"},
			"X-Forwarded-For: 1.2.3.4, 127.0.0.1\nX-Forwarded-Host: shop.example\nX-Forwarded-Proto: https\nX-Real-Ip: 1.2.3.4"},
		{"write: forwarded", trusting + "forwarded: {write: forwarded}\n", []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https"},
			`Forwarded: for=1.2.3.4;proto=https;host="shop.example", for=127.0.0.1;proto=https;host="shop.example"`},
		{"other names of the scheme", trusting, []string{"X-Forwarded-Ssl", "on", "X-Forwarded-Scheme", "http", "Front-End-Https", "off"},
			strings.Replace(ours("127.0.0.1", "127.0.0.1", "https", "shop.example", `for=127.0.0.1;proto=https;host="shop.example"`),
				"X-Real-Ip", "X-Forwarded-Ssl: on\nX-Real-Ip", 1)},
		{"an odd scheme", trusting, []string{"X-Forwarded-Proto", "javascript"}, plain},
		{"hop by hop", "", []string{"Connection", "X-Mine, keep-alive", "X-Mine", "1", "Keep-Alive", "timeout=5", "Proxy-Authorization", "Basic x",
			"Proxy-Authenticate", "Basic", "Proxy-Connection", "close", "Te", "gzip", "Upgrade", "h2c", "Http2-Settings", "AAA"}, plain},
		{"TE: trailers", "", []string{"Connection", "TE", "Te", "trailers, gzip"}, "Connection: TE\n" + strings.Replace(plain, "\nX-For", "\nTe: trailers\nX-For", 1)},
		{"the rest", "", []string{"Accept", "*/*", "Cookie", "a=b", "Authorization", "Bearer x", "Idempotency-Key", "k", "Via", "1.1 x"},
			"Accept: */*\nAuthorization: Bearer x\nCookie: a=b\n" + strings.Replace(plain, "\nX-Forwarded-For", "\nIdempotency-Key: k\nVia: 1.1 x\nX-Forwarded-For", 1)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, row.top, "", mirror(t))
			nc := dial(t, f.addr)
			fmt.Fprint(nc, "GET /p HTTP/1.1\r\nHost: shop.example\r\n")
			for i := 0; i < len(row.send); i += 2 {
				fmt.Fprintf(nc, "%s: %s\r\n", row.send[i], row.send[i+1])
			}
			io.WriteString(nc, "\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if string(body) != row.want {
				t.Errorf("the node got\n%s\nwant\n%s", body, row.want)
			}
		})
	}
}

// The listener tells whether a client connected over TLS; the client's :scheme in HTTP/2 does not.
func TestSchemeComesFromTheListener(t *testing.T) {
	a, top := secure(t)
	f := start(t, top, "", mirror(t))
	c := dialFrames(t, f.addr, a)
	c.request(t, true, ":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/p")
	if got := c.response(); !strings.Contains(got, "X-Forwarded-Proto: https") || !strings.Contains(got, "proto=https;") {
		t.Errorf("got %s", got)
	}
}

// proxied sends a PROXY header and a request.
func proxied(t testing.TB, addr string, version byte, source, destination net.Addr, send string) string {
	t.Helper()
	nc := dial(t, addr)
	if _, err := proxyproto.HeaderProxyFromAddrs(version, source, destination).WriteTo(nc); err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, send)
	all, _ := io.ReadAll(nc)
	return string(all)
}

// The client of the PROXY protocol is the one that the node and the access log see, and the one that may be a trusted
// proxy.
func TestProxyProtocol(t *testing.T) {
	const get = "GET /p HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n"
	a, tlsTop := secure(t)
	f := start(t, "proxy_protocol: 127.0.0.1\ntrusted_proxies: 10.0.0.0/8", "", mirror(t))
	tcp := func(s string, port int) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(s), Port: port} }
	for _, row := range []struct {
		name                string
		version             byte
		source, destination net.Addr
		want, client        string
	}{
		{"v1 IPv4", 1, tcp("1.2.3.4", 5), tcp("5.6.7.8", 80), "X-Forwarded-For: 1.2.3.4\n", "1.2.3.4"},
		{"v1 IPv6", 1, tcp("2001:db8::1", 5), tcp("2001:db8::2", 80), `Forwarded: for="[2001:db8::1]";proto=http;host="shop.example"`, "2001:db8::1"},
		{"v2 IPv4", 2, tcp("1.2.3.4", 5), tcp("5.6.7.8", 80), "X-Forwarded-For: 1.2.3.4\n", "1.2.3.4"},
		{"v2 IPv6", 2, tcp("2001:db8::1", 5), tcp("2001:db8::2", 80), "X-Real-Ip: 2001:db8::1", "2001:db8::1"},
		{"v2 of a trusted proxy", 2, tcp("10.0.0.1", 5), tcp("5.6.7.8", 80), "X-Forwarded-For: 9.9.9.9, 10.0.0.1\n", "9.9.9.9"},
		{"v2 local", 2, nil, nil, "X-Forwarded-For: 127.0.0.1\n", "127.0.0.1"},
		{"v1 unknown", 1, nil, nil, "X-Forwarded-For: 127.0.0.1\n", "127.0.0.1"},
		{"v2 without an address", 2, &net.UnixAddr{Net: "unix", Name: "/a"}, &net.UnixAddr{Net: "unix", Name: "/b"},
			"\r\n\r\nForwarded: for=unknown;proto=http;host=\"shop.example\"\nX-Forwarded-Host: shop.example\nX-Forwarded-Proto: http", "unknown"},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := len(f.access.list())
			got := proxied(t, f.addr, row.version, row.source, row.destination, get)
			if !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, row.want) {
				t.Errorf("got %q, want %q in it", got, row.want)
			}
			if rec := f.access.wait(t, n+1)[n]; rec["client"] != row.client {
				t.Errorf("record %v, want client %s", rec, row.client)
			}
		})
	}
	for name, send := range map[string]string{
		"no header":       get,
		"bad v1":          "PROXY TCP4 1.2.3.4 nonsense 1 2\r\n" + get,
		"v1 without CRLF": "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" + get,
		"endless v1":      "PROXY TCP4 " + strings.Repeat("1", 300) + get,
		"bad v2":          "\r\n\r\n\x00\r\nQUIT\n\x3f\x11\x00\x0c" + strings.Repeat("\x00", 12) + get,
	} {
		t.Run(name, func(t *testing.T) { closed(t, sendRaw(t, f.addr, send)) })
	}
	t.Run("twice", func(t *testing.T) { // the second header is read as a request
		got := sendRaw(t, f.addr, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nPROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"+get)
		if !strings.HasPrefix(got, "HTTP/1.1 400") || !strings.Contains(got, "application/problem+json") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("from another peer", func(t *testing.T) {
		f := start(t, "proxy_protocol: 10.0.0.1", "", mirror(t))
		closed(t, proxied(t, f.addr, 1, tcp("1.2.3.4", 5), tcp("5.6.7.8", 80), get))
		closed(t, proxied(t, f.addr, 2, tcp("1.2.3.4", 5), tcp("5.6.7.8", 80), get))
		if got := sendRaw(t, f.addr, get); !strings.Contains(got, "X-Forwarded-For: 127.0.0.1\n") {
			t.Errorf("without a header: %q", got)
		}
	})
	t.Run("slow", func(t *testing.T) {
		f := start(t, "proxy_protocol: 127.0.0.1\nlimits: {header_timeout: 100ms}", "", mirror(t))
		for _, send := range []string{"", "PROXY TC", "\r\n\r\n\x00\r\nQUIT\n\x21"} {
			closed(t, sendRaw(t, f.addr, send))
		}
	})
	t.Run("under TLS", func(t *testing.T) {
		f := start(t, tlsTop+"proxy_protocol: 127.0.0.1", "", mirror(t))
		c := secureClient(t, a, true)
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				_, err = proxyproto.HeaderProxyFromAddrs(2, tcp("1.2.3.4", 5), tcp("5.6.7.8", 443)).WriteTo(nc)
			}
			return nc, err
		}
		resp, err := c.Get("https://" + f.addr + "/p")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || !strings.Contains(string(body), "X-Real-Ip: 1.2.3.4") {
			t.Errorf("%s %q", resp.Proto, body)
		}
	})
}

// closed checks that a connection ended without a response.
func closed(t testing.TB, got string) {
	t.Helper()
	if got != "" && !strings.HasPrefix(got, "error: ") || strings.Contains(got, "timeout") {
		t.Errorf("got %q, want a closed connection", got)
	}
}

// hash(ip) uses the address of the client, not the one of a trusted proxy: each client has one node, and the clients
// have several.
func TestHashByIPUsesTheClient(t *testing.T) {
	f := start(t, "trusted_proxies: 127.0.0.1", "balance: hash(ip)", mirror(t), mirror(t), mirror(t))
	served := map[any]bool{}
	for i := range 20 {
		client := fmt.Sprintf("1.2.3.%d", i)
		for range 3 {
			f.get(t, "/p", "X-Forwarded-For", client)
		}
		all := f.access.wait(t, 3*(i+1))[3*i:]
		if all[0]["node"] != all[1]["node"] || all[1]["node"] != all[2]["node"] || all[0]["client"] != client {
			t.Errorf("client %s: %v", client, all)
		}
		served[all[0]["node"]] = true
	}
	if len(served) != 3 {
		t.Errorf("20 clients were served by %v", served)
	}
}
