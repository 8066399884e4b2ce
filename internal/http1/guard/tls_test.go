package guard

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestTLSListener(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	config := &tls.Config{Certificates: cert.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}
	roots := cert.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	cert.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("X-TLS", "yes")
		}
		describe(w, r)
	})}
	Attach(srv)
	failures := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(NewTLSListener(l, config, nil, func(_ net.Conn, err error) { failures <- err })) })
	t.Cleanup(func() { srv.Close(); wg.Wait() })

	for _, h2 := range []bool{true, false} {
		client := &http.Client{Transport: &http.Transport{
			ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"},
		}}
		defer client.CloseIdleConnections()
		resp, err := client.Post("https://"+l.Addr().String()+"/x", "", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.ProtoMajor == 2 != h2 || resp.Header.Get("X-TLS") != "yes" || !strings.HasPrefix(string(body), "POST /x") {
			t.Errorf("h2 %v: %s: %s", h2, resp.Proto, body)
		}
	}
	nc, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || resp.StatusCode != 400 {
		t.Error(resp, err)
	} else if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "missing Host") {
		t.Errorf("got %q", body)
	}

	broken, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	io.WriteString(broken, "\x16\x03\x01GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := <-failures; err == nil {
		t.Error("a broken handshake is accepted")
	}
	for _, send := range []string{
		"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "post / HTTP/1.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "hello there\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 2000) + "\r\n\r\n",
	} {
		for name, write := range map[string]func(net.Conn, string){
			"at once": func(nc net.Conn, s string) { io.WriteString(nc, s) }, "slowly": writeOctets,
		} {
			plain, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			go write(plain, send)
			resp, err := http.ReadResponse(bufio.NewReader(plain), nil)
			if err != nil {
				t.Fatalf("%q %s: %v", send, name, err)
			}
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), PlainHTTP.Reason) || !resp.Close {
				t.Errorf("%q %s: %d %q", send, name, resp.StatusCode, body)
			}
		}
	}
}
