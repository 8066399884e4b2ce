package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestParseEndpoint(t *testing.T) {
	for address, want := range map[string]endpoint{
		"10.0.0.1:80":            {network: "tcp", address: "10.0.0.1:80"},
		"[::1]:80":               {network: "tcp", address: "[::1]:80"},
		"app.test:80":            {network: "tcp", address: "app.test:80", name: "app.test"},
		"https://10.0.0.1:8443":  {network: "tcp", address: "10.0.0.1:8443", secure: true},
		"https://shop.test:8443": {network: "tcp", address: "shop.test:8443", name: "shop.test", secure: true},
		"unix:/run/app.sock":     {network: "unix", address: "/run/app.sock"},
	} {
		if got := parseEndpoint(address); got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}
}

// secureNode is a node that speaks TLS. Its certificate is for 127.0.0.1 and example.com.
type secureNode struct {
	*httptest.Server
	address string
	ca      string       // file with the certificate of its authority
	sni     atomic.Value // the server name of the last handshake
}

func serveSecure(t *testing.T, change func(*secureNode)) *secureNode {
	t.Helper()
	s := &secureNode{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		fmt.Fprintf(w, "%s with %d client certificates", r.Proto, len(r.TLS.PeerCertificates))
	}))
	s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.sni.Store(hello.ServerName)
		return nil, nil
	}}
	if change != nil {
		change(s)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.address = "https://" + s.Listener.Addr().String()
	s.ca = writePEM(t, "CERTIFICATE", s.Certificate().Raw)
	return s
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// probeError returns the error of the first probe of a pool with one node.
func probeError(t *testing.T, p *Pool) string {
	t.Helper()
	await(t, "the node is probed", func() bool {
		nodes := p.Nodes()
		return len(nodes) == 1 && nodes[0].ProbeErr != nil
	})
	return p.Nodes()[0].ProbeErr.Error()
}

func TestNodeTLSIsVerified(t *testing.T) {
	s := serveSecure(t, nil)
	for extra, want := range map[string]string{
		"":                                "x509: certificate signed by unknown authority",
		"tls: {server_name: example.com}": "x509: certificate signed by unknown authority",
		"tls: {ca: " + s.ca + ", server_name: other.test}": "x509: certificate is valid for example.com",
	} {
		p := startPool(t, extra, nil, s.address)
		if got := probeError(t, p); !strings.Contains(got, want) {
			t.Errorf("with %q: %s, want %s", extra, got, want)
		}
		if _, _, err := send(t.Context(), p, "GET", ""); err == nil {
			t.Errorf("with %q: a request got through", extra)
		}
	}
}

func TestNodeTLS(t *testing.T) {
	s := serveSecure(t, nil)
	for extra, sni := range map[string]string{
		"tls: {ca: " + s.ca + "}":                           "", // an IP address is no server name
		"tls: {ca: " + s.ca + ", server_name: example.com}": "example.com",
		"tls: {verify: off}":                                "",
	} {
		p := newPool(t, extra, s.address)
		for range 3 {
			status, body, err := send(t.Context(), p, "POST", "order")
			if status != 200 || body != "HTTP/1.1 with 0 client certificates" || err != nil {
				t.Errorf("with %q: %d %q %v", extra, status, body, err)
			}
		}
		if got := s.sni.Load(); got != sni {
			t.Errorf("with %q: server name %q, want %q", extra, got, sni)
		}
	}
}

// The server name of a node with a name is that name.
func TestNodeTLSNameOfNode(t *testing.T) {
	s := serveSecure(t, nil)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	lookup := func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	p := startPool(t, "tls: {ca: "+s.ca+"}", &Options{LookupHost: lookup}, "https://example.com:"+port)
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil || s.sni.Load() != "example.com" {
		t.Errorf("%d %v, server name %q", status, err, s.sni.Load())
	}
}

func TestNodeTLSClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := serveSecure(t, func(s *secureNode) {
		cert, _ := x509.ParseCertificate(der)
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		s.TLS.ClientCAs = x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(cert)
	})
	if got := probeError(t, startPool(t, "tls: {ca: "+s.ca+"}", nil, s.address)); !strings.Contains(got, "certificate required") {
		t.Errorf("without a certificate: %s", got)
	}
	extra := fmt.Sprintf("tls: {ca: %s, cert: %s, key: %s}", s.ca, writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", keyDER))
	p := newPool(t, extra, s.address)
	if status, body, err := send(t.Context(), p, "GET", ""); status != 200 || body != "HTTP/1.1 with 1 client certificates" || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
}

// Files for connections to nodes are read again when they change. A broken file leaves those before in use.
func TestNodeTLSFilesAreReadAgain(t *testing.T) {
	s := serveSecure(t, nil)
	trusted, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(ca, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(trusted)
	p := newPool(t, "retry: off\ntls: {ca: "+ca+"}", s.address)
	ok := func() {
		t.Helper()
		if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
			t.Errorf("%d %v", status, err)
		}
	}
	ok()
	before := p.settings.Load()
	write([]byte("broken"))
	time.Sleep(3 * filesInterval)
	if p.settings.Load() != before {
		t.Error("a broken file was taken")
	}
	ok()
	write(append(trusted, trusted...))
	await(t, "the file is read again", func() bool { return p.settings.Load() != before })
	if p.settings.Load().tls == before.tls {
		t.Error("the connections do not use the new file")
	}
	ok()
}

// gRPC to a node that speaks TLS uses HTTP/2, which the handshake negotiates.
func TestNodeTLSGRPC(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		s := serveSecure(t, func(s *secureNode) { s.EnableHTTP2 = h2 })
		p := newPool(t, "retry: off\ntls: {ca: "+s.ca+"}", s.address)
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://shop.example/x", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.ProtoMajor, req.ProtoMinor = 2, 0
		req.Header.Set("Content-Type", "application/grpc")
		resp, err := p.RoundTrip(req)
		switch {
		case h2 && err != nil:
			t.Error(err)
		case h2:
			if resp.ProtoMajor != 2 {
				t.Errorf("the response is %s", resp.Proto)
			}
			resp.Body.Close()
		case err == nil || !strings.Contains(err.Error(), "TLS handshake"):
			t.Errorf("a node without HTTP/2: %v", err)
		}
	}
}

// A unix socket is a node like any other: it is probed, gets requests and is drained.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Int64
	hosts := make(chan string, 100)
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hosts <- r.Host }),
		ConnState: func(_ net.Conn, st http.ConnState) {
			switch st {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Add(-1)
			}
		},
	}
	go s.Serve(l)
	defer s.Close()
	p := newPool(t, "probe: {interval: 1h}", "unix:"+path)
	if host := <-hosts; host != "localhost" {
		t.Errorf("the host of the probe is %q", host)
	}
	for range 3 {
		if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
			t.Errorf("%d %v", status, err)
		}
	}
	if err := p.Drain(t.Context(), "shop-1"); err != nil {
		t.Error(err)
	}
	await(t, "the connections are closed", func() bool { return open.Load() == 0 })
}

func TestMissingUnixSocketFailsTheProbe(t *testing.T) {
	p := startPool(t, "", nil, "unix:"+filepath.Join(t.TempDir(), "missing.sock"))
	if got := probeError(t, p); !strings.Contains(got, "no such file") {
		t.Error(got)
	}
}
