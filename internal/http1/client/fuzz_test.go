package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/guard"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// portions is a net.Conn. It returns data in portions, then io.EOF, and records what is written.
type portions struct {
	net.Conn
	data    []byte
	size    int // of a portion; 0: all at once
	written bytes.Buffer
}

func (p *portions) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := len(b)
	if p.size > 0 {
		n = min(n, p.size)
	}
	n = copy(b[:n], p.data)
	p.data = p.data[n:]
	return n, nil
}

func (p *portions) Write(b []byte) (int, error)     { return p.written.Write(b) }
func (p *portions) Close() error                    { return nil }
func (p *portions) SetDeadline(time.Time) error     { return nil }
func (p *portions) SetReadDeadline(time.Time) error { return nil }

// FuzzResponse compares the client with net/http: net/http accepts each response that the client accepts, with the same
// result.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nuntil close",
		"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n",
	} {
		f.Add([]byte(s), byte(0), false)
		f.Add([]byte(s), byte(1), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, size byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		req, _ := http.NewRequest(method, "http://a/", nil)
		c := NewConn(&portions{data: bytes.Clone(data), size: int(size)}, nil)
		resp, err := c.RoundTrip(req)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		checkExchange(t, data, method, int(size), resp, body, err, c.Reusable())
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || c.Reusable() {
				t.Errorf("error %v, reusable %v", err, c.Reusable())
			}
			return
		}
		br := bufio.NewReaderSize(bytes.NewReader(data), 1<<16)
		want, err := http.ReadResponse(br, req)
		for err == nil && want.StatusCode < 200 {
			want, err = http.ReadResponse(br, req)
		}
		if err != nil {
			t.Fatalf("net/http rejects the head: %v", err)
		}
		wantBody, err := io.ReadAll(want.Body)
		if err != nil {
			t.Fatalf("net/http rejects the body: %v", err)
		}
		if resp.Header.Get("Pragma") != "" { // net/http derives a Cache-Control field from it
			delete(want.Header, "Cache-Control")
			delete(resp.Header, "Cache-Control")
		}
		delete(want.Header, "Connection") // net/http may remove "close" from it
		delete(resp.Header, "Connection")
		if resp.StatusCode != want.StatusCode || !sameHeader(resp.Header, want.Header) || !sameHeader(resp.Trailer, want.Trailer) ||
			!bytes.Equal(body, wantBody) || resp.ContentLength != want.ContentLength || resp.Close != want.Close && c.Reusable() {
			t.Errorf("got  %+v %q\nwant %+v %q", resp, body, want, wantBody)
		}
		if rest, _ := io.ReadAll(br); c.Reusable() && len(rest) > 0 && size == 0 {
			t.Errorf("reusable, but %q follows the response", rest)
		}
	})
}

func sameHeader(a, b http.Header) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// checkExchange compares Exchange with RoundTrip.
func checkExchange(t *testing.T, data []byte, method string, size int, resp *http.Response, body []byte, err error, reusable bool) {
	t.Helper()
	c := NewConn(&portions{data: bytes.Clone(data), size: size}, nil)
	var head Head
	var sink bytes.Buffer
	err2 := c.Exchange([]byte(method+" / HTTP/1.1\r\n\r\n"), &head, &sink)
	if err2 == nil && err == nil {
		if head.Status != resp.StatusCode || !bytes.Equal(sink.Bytes(), body) || c.Reusable() != reusable || head.KeepAlive != reusable {
			t.Errorf("Exchange: %+v %q, reusable %v\nRoundTrip: %+v %q, reusable %v", head, &sink, c.Reusable(), resp, body, reusable)
		}
		return
	}
	// Exchange does not read the Trailer field. The texts for a switch of protocols differ.
	if (err == nil) != (err2 == nil) && !strings.Contains(fmt.Sprint(err), wire.BadTrailer.Reason) {
		t.Errorf("Exchange: %v\nRoundTrip: %v", err2, err)
	}
}

// FuzzRequest checks that net/http reads the same request as the client was given, and that the guard passes it.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a b", "c=d", "host:80", "X-Name", "value", []byte("body"))
	f.Add("OPTIONS", "*", "", "[::1]", "Te", "trailers", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, query, host, name, value string, body []byte) {
		req := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: host,
			Header: http.Header{name: {value}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		}
		if len(body) == 0 {
			req.Body = nil
		}
		nc := &portions{data: []byte("HTTP/1.1 204 No Content\r\n\r\n")}
		if _, err := NewConn(nc, nil).RoundTrip(req); err != nil {
			if nc.written.Len() > 0 {
				t.Fatalf("%v, after writing %q", err, &nc.written)
			}
			return
		}
		reason, refused := refusedByGuard(t, nc.written.Bytes())
		if refused && len(value) < 16<<10 && len(path) < 2<<10 && len(query) < 4<<10 && !strings.EqualFold(name, "expect") {
			t.Fatalf("refused by the guard: %s\n%q", reason, &nc.written)
		}
		got, err := http.ReadRequest(bufio.NewReader(&nc.written))
		if err != nil {
			t.Fatal(err)
		}
		gotBody, err := io.ReadAll(got.Body)
		if method == "" {
			method = "GET"
		}
		if path == "" {
			path = "/"
		}
		if got.Method != method || got.URL.Path != path || got.URL.RawQuery != query || got.Host != withoutZone(host) ||
			!bytes.Equal(gotBody, body) || err != nil {
			t.Errorf("got %+v %q %v", got, gotBody, err)
		}
		want := []string{wire.TrimOWS(value)}
		if !(requestInfo{}).sends(name) || wire.EqualFold(name, "expect") {
			return
		}
		if values := got.Header[http.CanonicalHeaderKey(name)]; !reflect.DeepEqual(values, want) {
			t.Errorf("%q: got %q, want %q", name, values, want)
		}
	})
}

// refusedByGuard reports whether a guard refuses a request, in its head or in its body, and why.
func refusedByGuard(t *testing.T, request []byte) (reason string, refused bool) {
	t.Helper()
	l := guard.NewListener(oneConn{conn: &portions{data: bytes.Clone(request)}}, nil)
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.ReadRequest(bufio.NewReaderSize(nc, 1<<16))
	if err != nil {
		t.Fatal(err)
	}
	if _, reason, refused := guard.Refusal(req); refused {
		return reason, true
	}
	_, err = io.Copy(io.Discard, req.Body)
	if bad := (*guard.RefusedError)(nil); errors.As(err, &bad) {
		return bad.Reason, true
	}
	return "", false
}

// oneConn is a listener that returns its connection from Accept.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l oneConn) Accept() (net.Conn, error) { return l.conn, nil }

// FuzzChunked sends a chunked body and reads it with net/http and with the client.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("hello, world"), uint16(5), byte(3))
	f.Add(bytes.Repeat([]byte("x"), 40_000), uint16(20_000), byte(0))
	f.Fuzz(func(t *testing.T, body []byte, write uint16, read byte) {
		nc := &portions{}
		u := &upload{
			nc: nc, length: -1, trailer: http.Header{"Sum": {"42"}}, finished: make(chan struct{}),
			body: io.NopCloser(&portions{data: bytes.Clone(body), size: int(write)}),
		}
		u.run()
		if !u.complete() {
			t.Fatal(u.err)
		}
		const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		wire := append([]byte(head), nc.written.Bytes()...)
		req, _ := http.NewRequest("GET", "http://a/", nil)
		c := NewConn(&portions{data: bytes.Clone(wire), size: int(read)}, nil)
		resp, err := c.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for reader, resp := range map[string]*http.Response{"http1": resp, "net/http": want} {
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, body) || resp.Trailer.Get("Sum") != "42" {
				t.Errorf("%s: %d of %d bytes, %v, trailer %v", reader, len(got), len(body), err, resp.Trailer)
			}
		}
		if !c.Reusable() {
			t.Error("not reusable")
		}
	})
}
