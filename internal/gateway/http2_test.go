package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// authority is a CA for tests, and a certificate from it for 127.0.0.1 and shop.example in two files.
type authority struct {
	pool      *x509.CertPool
	cert, key string
}

var testCA = sync.OnceValues(func() (*authority, error) {
	dir, err := os.MkdirTemp("", "tenfold-gateway")
	if err != nil {
		return nil, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	ca, err = x509.ParseCertificate(caDER)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "shop"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"shop.example", "a"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	a := &authority{x509.NewCertPool(), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	a.pool.AddCert(ca)
	for file, block := range map[string]*pem.Block{a.cert: {Type: "CERTIFICATE", Bytes: leafDER}, a.key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	return a, nil
})

// secure returns the CA for tests, and the lines of a configuration with which the gateway serves TLS.
func secure(t testing.TB) (*authority, string) {
	t.Helper()
	a, err := testCA()
	if err != nil {
		t.Fatal(err)
	}
	return a, fmt.Sprintf("tls: {cert: %q, key: %q}\n", a.cert, a.key)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if a, err := testCA(); err == nil {
		os.RemoveAll(filepath.Dir(a.cert))
	}
	os.Exit(code)
}

// secureClient returns a client that uses TLS, and HTTP/2 when h2 is set.
func secureClient(t testing.TB, a *authority, h2 bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}, DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP2(h2)
	tr.Protocols.SetHTTP1(!h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// frames is an HTTP/2 connection that can send frames that a correct client does not send.
type frames struct {
	*http2.Framer
	headers bytes.Buffer
	encoder *hpack.Encoder
}

func dialFrames(t testing.TB, addr string, a *authority) *frames {
	t.Helper()
	nc := tls.Client(dial(t, addr), &tls.Config{RootCAs: a.pool, ServerName: "a", NextProtos: []string{"h2"}})
	io.WriteString(nc, http2.ClientPreface)
	f := &frames{Framer: http2.NewFramer(nc, nc)}
	f.encoder = hpack.NewEncoder(&f.headers)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return f
}

// request sends a header block on stream 1. fields are names and values.
func (f *frames) request(t testing.TB, end bool, fields ...string) {
	t.Helper()
	f.headers.Reset()
	for i := 0; i < len(fields); i += 2 {
		f.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	block := f.headers.Bytes()
	first := block[:min(len(block), 16<<10)]
	block = block[len(first):]
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0}); err != nil {
		t.Fatal(err)
	}
	for len(block) > 0 {
		part := block[:min(len(block), 16<<10)]
		block = block[len(part):]
		if err := f.WriteContinuation(1, len(block) == 0, part); err != nil {
			t.Fatal(err)
		}
	}
}

// response returns the response on stream 1: "200 body", "reset PROTOCOL_ERROR", or "gone ...".
func (f *frames) response() string {
	status, body := "", ""
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status = frame.PseudoValue("status")
			if frame.StreamEnded() {
				return status + " " + body
			}
		case *http2.DataFrame:
			body += string(frame.Data())
			if frame.StreamEnded() {
				return status + " " + body
			}
		case *http2.RSTStreamFrame:
			return "reset " + frame.ErrCode.String()
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return "gone " + frame.ErrCode.String()
			}
		}
	}
}

// TestBadInputHTTP2 is TestBadInput for requests that only HTTP/2 allows. net/http's HTTP/2 server refuses the rows
// with "net/http" before it calls the gateway: with a reset, or with its own response, which is not in the access
// log.
func TestBadInputHTTP2(t *testing.T) {
	a, top := secure(t)
	line := func(method, authority, path string) []string {
		return []string{":method", method, ":scheme", "https", ":authority", authority, ":path", path}
	}
	get := line("GET", "a", "/p")
	with := func(base []string, more ...string) []string { return append(slices.Clone(base), more...) }
	for _, row := range []struct {
		name string
		send []string
		want string // "200" of the node, "400 reason" of the gateway, or a reset
		saw  string
	}{
		{"good", get, "200", "GET /p"},
		{"Host that agrees", with(get, "host", "A"), "200", "GET /p"},
		{"Host that differs", with(get, "host", "b"), "400 host", ""},
		{"Host alone", []string{":method", "GET", ":scheme", "https", ":path", "/p", "host", "a"}, "200", "GET /p"},
		{"two Hosts", []string{":method", "GET", ":scheme", "https", ":path", "/p", "host", "a", "host", "b"}, "400 host", ""},
		{"no host", []string{":method", "GET", ":scheme", "https", ":path", "/p"}, "400 host", ""},
		{"authority with space", line("GET", "a b", "/p"), "400 malformed", ""},
		{"authority with slash", line("GET", "a/b", "/p"), "400 malformed", ""},
		{"authority with user (net/http)", line("GET", "u@a", "/p"), "reset PROTOCOL_ERROR", ""},
		{"method with space", line("G T", "a", "/p"), "400 malformed", ""},
		{"path with space in the query", line("GET", "a", "/p?a b HTTP/1.1"), "400 malformed", ""},
		{"path with fragment in the query", line("GET", "a", "/p?q#f"), "400 malformed", ""},
		{"path with space", line("GET", "a", "/p q"), "400 malformed", ""},
		{"path with fragment", line("GET", "a", "/p#q"), "400 malformed", ""},
		{"path with bad escape (net/http)", line("GET", "a", "/%zz"), "reset PROTOCOL_ERROR", ""},
		{"path in absolute form", line("GET", "a", "http://b/p"), "400 malformed", ""},
		{"path without slash (net/http)", line("GET", "a", "p"), "reset PROTOCOL_ERROR", ""},
		{"/../", line("GET", "a", "/a/../p"), "400 path", ""},
		{"/%00", line("GET", "a", "/a%00"), "400 path", ""},
		{"CR LF in a value (net/http)", with(get, "x", "a\r\nhost: b"), "reset PROTOCOL_ERROR", ""},
		{"upper case name (net/http)", with(get, "X-Y", "a"), "reset PROTOCOL_ERROR", ""},
		{"Connection (net/http)", with(get, "connection", "x-forwarded-for"), "400", ""},
		{"Transfer-Encoding (net/http)", with(get, "transfer-encoding", "chunked"), "400", ""},
		{"TE (net/http)", with(get, "te", "gzip"), "400", ""},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "a:443"}, "405 method", ""},
		{"extended CONNECT (net/http)", with(line("CONNECT", "a", "/p"), ":protocol", "websocket"), "reset PROTOCOL_ERROR", ""},
		{"TRACE", line("TRACE", "a", "/p"), "405 method", ""},
		{"URI of 9 KiB", line("GET", "a", "/"+strings.Repeat("x", 9<<10)), "414 uri_too_long", ""},
		{"129 lines", with(get, slices.Repeat([]string{"x", "y"}, 129)...), "431 header_too_large", ""},
		{"128 lines", with(get, slices.Repeat([]string{"x", "y"}, 128)...), "200", "GET /p"},
		{"header of 40 KiB (net/http)", with(get, slices.Repeat([]string{"x", strings.Repeat("x", 1<<10)}, 40)...), "431", ""},
		{"value of 40 KiB (net/http)", with(get, "x", strings.Repeat("x", 40<<10)), "gone COMPRESSION_ERROR", ""},
		{"unknown pseudo field (net/http)", with([]string{":x", "y"}, get...), "reset PROTOCOL_ERROR", ""},
		{"forbidden trailer name", with(get, "trailer", "te, host, x"), "200", "GET /p"},
		{"content length without content", with(line("POST", "a", "/p"), "content-length", "5"), "400 malformed", ""},
		{"content length of 0", with(line("POST", "a", "/p"), "content-length", "0"), "200", "POST /p"},
		{"two content lengths", with(line("POST", "a", "/p"), "content-length", "0", "content-length", "0"), "400 malformed", ""},
		{"content lengths that differ", with(line("POST", "a", "/p"), "content-length", "0", "content-length", "5"), "400 malformed", ""},
		{"content length with sign", with(line("POST", "a", "/p"), "content-length", "+0"), "400 malformed", ""},
		{"content length of no number", with(line("POST", "a", "/p"), "content-length", "x"), "400 malformed", ""},
		{"content length of 2^63", with(line("POST", "a", "/p"), "content-length", "9223372036854775808"), "400 malformed", ""},
		{"empty content length", with(line("POST", "a", "/p"), "content-length", ""), "400 malformed", ""},
		{"space in front of a value", with(get, "x", " a"), "400 malformed", ""},
		{"tab behind a value", with(get, "x", "a\t"), "400 malformed", ""},
		{"space in a value", with(get, "x", "a b"), "200", "GET /p"},
		{"unknown expectation", with(get, "expect", "coffee"), "417 malformed", ""},
		{"Host without the default port", with(line("GET", "a:443", "/p"), "host", "a"), "200", "GET /p"},
		{"Host with the default port", with(get, "host", "A:443"), "200", "GET /p"},
		{"Host with the port of http", with(get, "host", "a:80"), "400 host", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			node := newWitness(t)
			f := start(t, top, "", address(node.server))
			c := dialFrames(t, f.addr, a)
			c.request(t, true, row.send...)
			status, body, _ := strings.Cut(c.response(), " ")
			got := status
			switch {
			case status == "reset" || status == "gone":
				got += " " + body
			case strings.HasPrefix(body, "{"):
				_, reason, _ := strings.Cut(body, `"reason":"`)
				reason, _, _ = strings.Cut(reason, `"`)
				got += " " + reason
			}
			f.kill()
			node.server.Close()
			if got != row.want {
				t.Errorf("got %s %s, want %s", status, body, row.want)
			}
			if saw := strings.Join(node.list(), "|"); saw != row.saw {
				t.Errorf("the node saw %s, want %s", saw, row.saw)
			}
			if n := f.Nodes("shop")[0].Failures; n > 0 {
				t.Errorf("the node has %d failures", n)
			}
		})
	}
}

// The limits of bodies apply to HTTP/2. A refused body does not end the connection there.
func TestBadBodiesHTTP2(t *testing.T) {
	a, top := secure(t)
	node := newWitness(t)
	f := start(t, top+"limits: {body_bytes: 100, body_grace: 100ms}", "", address(node.server))
	c := secureClient(t, a, true)
	for _, row := range []struct {
		name   string
		length int64
		sent   int
		want   string
	}{
		{"length", 200, 200, "413 body_too_large"},
		{"no length", -1, 200, "413 body_too_large"},
		{"slow", 50, 4, "408 body_too_slow"},
		{"slow without length", -1, 4, "408 body_too_slow"},
		{"good", 50, 50, "200"},
	} {
		body, pipe := io.Pipe()
		go func() {
			pipe.Write(make([]byte, row.sent))
			if row.sent != 4 {
				pipe.Close()
			}
		}()
		req, _ := http.NewRequest("POST", "https://"+f.addr+"/p", body)
		req.ContentLength = row.length
		resp, err := c.Do(req)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Errorf("%s: after %d %q: %v", row.name, resp.StatusCode, text, err)
		}
		got := fmt.Sprint(resp.StatusCode)
		if resp.StatusCode != 200 {
			got += " " + problemOf(t, resp, string(text))
		}
		if got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
	if n := f.counted(t)["active_connections"]; n != 1 {
		t.Errorf("%v connections were opened, want 1", n)
	}
	if n := f.Nodes("shop")[0].Failures; n != 0 {
		t.Errorf("the node has %d failures", n)
	}
}

// The gateway resets an HTTP/2 stream whose client gives it no window. Before it did, such a stream held a slot of a
// node indefinitely.
func TestHTTP2StreamThatIsNotRead(t *testing.T) {
	a, top := secure(t)
	f := start(t, top+"limits: {write_timeout: 1s}", "", address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		n, _ := strconv.ParseInt(r.URL.Path[1:], 10, 64)
		io.CopyN(w, zeros{}, n)
	})))
	for _, size := range []string{"/1000000", "/40000", "/1000"} { // streamed, read whole, and in a buffer of net/http
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			c := dialFrames(t, f.addr, a)
			if err := c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10}); err != nil {
				t.Fatal(err)
			}
			c.request(t, true, ":method", "GET", ":scheme", "https", ":authority", "a", ":path", size)
			if got := c.response(); !strings.HasPrefix(got, "reset ") {
				t.Errorf("got %s", got)
			}
			await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
		})
	}
	t.Run("a silent stream is not stalled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // twice the timeout
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+f.addr+"/stream", nil)
		resp, err := secureClient(t, a, true).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the stream ended with %v", err)
		}
	})
}
