package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// startListening runs a gateway that listens on the given addresses.
func startListening(t *testing.T, listen, top string, nodes ...string) *front {
	t.Helper()
	return start(t, "listen: "+listen+"\n"+top, "", nodes...)
}

// A client that speaks plain HTTP to a TLS port gets a text that says so, and a record.
func TestPlainHTTPOnATLSPort(t *testing.T) {
	a, top := secure(t)
	f := start(t, top, "", mirror(t))
	nc := dial(t, f.addr)
	io.WriteString(nc, "GET /p?q HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || !strings.Contains(string(body), "HTTPS") {
		t.Errorf("got %d %v %q", resp.StatusCode, resp.Header, body)
	}
	rec := f.access.wait(t, 1)[0]
	if rec["reason"] != "plain_http" || rec["status"] != int64(400) || rec["path"] != "/p" || rec["host"] != "shop.example" {
		t.Errorf("record %v", rec)
	}
	if resp, err := secureClient(t, a, true).Get("https://" + f.addr + "/p"); err != nil || resp.StatusCode != 200 {
		t.Errorf("over TLS: %v, %v", resp, err)
	}
}

// Plain and TLS listeners stand side by side. The service learns how the client came. Only responses over TLS have HSTS.
func TestPlainAndTLSListeners(t *testing.T) {
	a, top := secure(t)
	f := startListening(t, `["http://127.0.0.1:0", "https://127.0.0.1:0"]`, strings.Replace(top, "}", ", hsts: on}", 1), mirror(t))
	addrs := f.Addrs()
	get := func(c *http.Client, url string) (proto, hsts string) {
		t.Helper()
		resp, err := c.Get(url + "/p")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d", url, resp.StatusCode)
		}
		if strings.Contains(string(body), "X-Forwarded-Proto: https") {
			proto = "https"
		}
		return proto, resp.Header.Get("Strict-Transport-Security")
	}
	if proto, hsts := get(http.DefaultClient, "http://"+addrs[0].String()); proto != "" || hsts != "" {
		t.Errorf("plain: %q, %q", proto, hsts)
	}
	for _, h2 := range []bool{true, false} {
		if proto, hsts := get(secureClient(t, a, h2), "https://"+addrs[1].String()); proto != "https" || hsts != "max-age=31536000" {
			t.Errorf("TLS, h2 %v: %q, %q", h2, proto, hsts)
		}
	}
	serving, tls := f.Serving()
	if len(serving) != 2 || tls[0] || !tls[1] {
		t.Errorf("serving %v %v", serving, tls)
	}
}

// The HSTS field of a service replaces that of the gateway.
func TestHSTSOfTheServiceWins(t *testing.T) {
	a, top := secure(t)
	f := start(t, strings.Replace(top, "}", ", hsts: 30d}", 1), "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own" {
			w.Header().Set("Strict-Transport-Security", "max-age=1; includeSubDomains")
		}
	})))
	for path, want := range map[string]string{"/own": "max-age=1; includeSubDomains", "/": "max-age=2592000"} {
		resp, err := secureClient(t, a, true).Get("https://" + f.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header["Strict-Transport-Security"]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// Port 80 redirects when a listener is :443, and answers nothing else. The port needs a privilege.
func TestPort80RedirectsToHTTPS(t *testing.T) {
	const host = "127.0.77.1"
	if l, err := net.Listen("tcp", host+":443"); err != nil {
		t.Skip("this test needs port 443: ", err)
	} else {
		l.Close()
	}
	_, top := secure(t)
	f := startListening(t, `"127.0.77.1:443"`, top, mirror(t))
	if n := len(f.Addrs()); n != 2 {
		t.Fatalf("%d addresses, want 2", n)
	}
	if serving, _ := f.Serving(); len(serving) != 1 {
		t.Errorf("serving on %v", serving)
	}
	for _, r := range []struct{ send, status, location string }{
		{"GET /a%20b/c?d=%0a&e HTTP/1.1\r\nHost: Shop.example\r\n\r\n", "308", "https://Shop.example/a%20b/c?d=%0a&e"},
		{"POST / HTTP/1.1\r\nHost: shop.example:80\r\nContent-Length: 4\r\n\r\nbody", "308", "https://shop.example/"},
		{"GET //evil.example/ HTTP/1.1\r\nHost: shop.example\r\n\r\n", "308", "https://shop.example//evil.example/"},
		{"GET http://shop.example/x HTTP/1.1\r\nHost: shop.example\r\n\r\n", "308", "https://shop.example/x"},
		{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "308", "https://[::1]/"},
		{"OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n", "308", "https://shop.example/"},
		{"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: shop.example\r\n\r\n", "308", "https://shop.example/.well-known/acme-challenge/token"},
		{"GET / HTTP/1.1\r\nHost: a@evil.example\r\n\r\n", "400", ""},
		{"GET / HTTP/1.1\r\nHost: shop.example%2f\r\n\r\n", "400", ""},
		{"GET / HTTP/1.1\r\nHost: shop;example\r\n\r\n", "400", ""},
		{"GET / HTTP/1.1\r\n\r\n", "400", ""},
	} {
		nc := dial(t, host+":80")
		io.WriteString(nc, r.send)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Errorf("%q: %v", r.send, err)
			continue
		}
		if got := fmt.Sprint(resp.StatusCode); got != r.status || resp.Header.Get("Location") != r.location {
			t.Errorf("%q: %s to %q, want %s to %q", r.send, got, resp.Header.Get("Location"), r.status, r.location)
		}
		if resp.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%q: HSTS without TLS", r.send)
		}
	}
	second := startListening(t, `["https://127.0.77.1:8443", "127.0.77.2:443"]`, top, mirror(t))
	if n := len(second.Addrs()); n != 3 {
		t.Errorf("%d addresses, want 3", n)
	}
	taken, err := net.Listen("tcp", "127.0.77.3:80")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	fourth := startListening(t, `"127.0.77.3:443"`, top, mirror(t))
	if n := len(fourth.Addrs()); n != 1 {
		t.Errorf("%d addresses, want 1: port 80 is taken", n)
	}
	if note := fourth.events.wait(t, 1)[0]; note["address"] != "127.0.77.3:80" {
		t.Errorf("the event is %v", note)
	}
}

// Behind a trusted proxy that speaks TLS to clients, a request is not redirected again.
func TestTrustedProxyIsNotRedirected(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.77.4:443"); err != nil {
		t.Skip("this test needs port 443: ", err)
	} else {
		l.Close()
	}
	_, top := secure(t)
	startListening(t, `"127.0.77.4:443"`, top+"trusted_proxies: 127.0.0.1\n", mirror(t))
	for proto, want := range map[string]string{"https": "200", "http": "308"} {
		nc := dial(t, "127.0.77.4:80")
		fmt.Fprintf(nc, "GET /p HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: %s\r\n\r\n", proto)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || fmt.Sprint(resp.StatusCode) != want {
			t.Errorf("%s: %v %v, want %s", proto, resp, err, want)
		}
	}
}

// Changes of certificates, of HSTS and of the protocol of an address fail no request. Connections that are open stay open.
func TestCertificatesChangeUnderLoad(t *testing.T) {
	a, top := secure(t)
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Forwarded-Proto")) }))
	others := make([]string, 3)
	for i := range others {
		dir := t.TempDir()
		for _, file := range []string{a.cert, a.key} {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		others[i] = fmt.Sprintf("tls: {cert: %q, key: %q, hsts: %ds}\n", filepath.Join(dir, filepath.Base(a.cert)), filepath.Join(dir, filepath.Base(a.key)), 1000+i)
	}
	f := startFile(t, shopFile(node, top))
	stop, failures := make(chan bool), make(chan error, 1)
	var visitors sync.WaitGroup
	for i := range 4 {
		c := secureClient(t, a, i%2 == 0)
		c.Transport.(*http.Transport).DisableKeepAlives = i < 2
		visitors.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := c.Get("https://" + f.addr + "/p")
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if err != nil || resp.StatusCode != 200 {
					select {
					case failures <- fmt.Errorf("%v, %v", resp, err):
					default:
					}
				}
			}
		})
	}
	for i := range 60 {
		f.change(t, shopFile(node, others[i%len(others)]))
	}
	close(stop)
	visitors.Wait()
	select {
	case err := <-failures:
		t.Error(err)
	default:
	}
	resp, err := secureClient(t, a, true).Get("https://" + f.addr + "/p")
	if err != nil || resp.Header.Get("Strict-Transport-Security") != "max-age=1002" {
		t.Errorf("after the changes: %v, %v", resp, err)
	}
	f.change(t, shopFile(node, ""))
	if _, body := f.get(t, "/p"); body != "http" {
		t.Errorf("without TLS: %q", body)
	}
	f.change(t, shopFile(node, top))
	if resp, err := secureClient(t, a, true).Get("https://" + f.addr + "/p"); err != nil || resp.StatusCode != 200 {
		t.Errorf("with TLS again: %v, %v", resp, err)
	}
}
