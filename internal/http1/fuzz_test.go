package http1

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
)

// portions is a net.Conn that yields data in portions, then io.EOF, and notes what is written.
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

// FuzzResponse holds the client against net/http: whatever is accepted here, that accepts as well and reads alike.
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
			t.Fatalf("net/http refuses the head: %v", err)
		}
		wantBody, err := io.ReadAll(want.Body)
		if err != nil {
			t.Fatalf("net/http refuses the body: %v", err)
		}
		if resp.Header.Get("Pragma") != "" { // net/http makes a Cache-Control of it
			delete(want.Header, "Cache-Control")
			delete(resp.Header, "Cache-Control")
		}
		delete(want.Header, "Connection") // it may take out the close
		delete(resp.Header, "Connection")
		if resp.StatusCode != want.StatusCode || !sameHeader(resp.Header, want.Header) || !sameHeader(resp.Trailer, want.Trailer) ||
			!bytes.Equal(body, wantBody) || resp.ContentLength != want.ContentLength || resp.Close != want.Close && c.Reusable() {
			t.Errorf("got  %+v %q\nwant %+v %q", resp, body, want, wantBody)
		}
		if rest, _ := io.ReadAll(br); c.Reusable() && len(rest) > 0 && size == 0 {
			t.Errorf("reusable with %q behind", rest)
		}
	})
}

func sameHeader(a, b http.Header) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// checkExchange holds the two forms of the client against each other.
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
	// Exchange does not look at Trailer, and both refuse a switch of protocols in their own words.
	if (err == nil) != (err2 == nil) && !strings.Contains(fmt.Sprint(err), faultTrailer.reason) {
		t.Errorf("Exchange: %v\nRoundTrip: %v", err2, err)
	}
}

// passed is what a guard let through.
type passed struct {
	out     []byte
	ends    []int // offsets in out where a message was complete
	refused *http.Request
	err     error
}

// guard passes data through a guard as a server would that grants no upgrade, with reads of n octets.
func guard(t *testing.T, data []byte, size, n int) (p passed) {
	t.Helper()
	g := NewGuard(nil, nil).wrap(&portions{data: bytes.Clone(data), size: size}).(*guardConn)
	b := make([]byte, n)
	for {
		k, err := g.Read(b)
		if g.refused.Load() && g.state == guardRefused { // these are the first octets of what stands for it
			stand := append(b[:k:k], g.stand...)
			if p.refused, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(stand))); err != nil {
				t.Fatalf("net/http refuses the refusal %q: %v", stand, err)
			}
			return p
		}
		p.out = append(p.out, b[:k]...)
		if g.r == g.c && k > 0 && (g.state == guardHead || g.state == guardUpgrade) {
			p.ends = append(p.ends, len(p.out))
			g.serverState(http.StateIdle)
		}
		if err != nil {
			p.err = err
			return p
		}
	}
}

const benchRequest = "GET /path/to/something?query=1 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n\r\n"

// FuzzGuard holds the guard against net/http: what passes is read there as the same messages, and passes again.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{
		pipeline, benchRequest, pipeline + "GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET http://a:80/x?y HTTP/1.1\r\nhost: A:80\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\nGET /",
		"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nX_Y: a\r\nX: b\r\n\r\n\r\nG",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
	} {
		f.Add([]byte(s), byte(0), uint16(4096))
		f.Add([]byte(s), byte(1), uint16(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, size byte, n uint16) {
		p := guard(t, data, 0, 1<<16)
		if q := guard(t, data, int(size), int(n)+1); !bytes.Equal(p.out, q.out) || (p.refused == nil) != (q.refused == nil) || fmt.Sprint(p.err) != fmt.Sprint(q.err) {
			t.Fatalf("at once:     %q %v %v\nin portions: %q %v %v", p.out, p.refused, p.err, q.out, q.refused, q.err)
		}
		if p.refused != nil {
			if status, reason, ok := Refusal(p.refused); !ok || status < 400 || reason == "" {
				t.Errorf("refusal: %d %q %v", status, reason, ok)
			}
		}
		checkServer(t, p)
		again := guard(t, p.out, 0, 1<<16)
		if !bytes.Equal(again.out, p.out) || again.refused != nil || again.err != io.EOF {
			t.Errorf("passed once:  %q\npassed twice: %q %v %v", p.out, again.out, again.refused, again.err)
		}
	})
}

// checkServer reads what passed as net/http's server does, and compares where messages end.
func checkServer(t *testing.T, p passed) {
	t.Helper()
	r := bytes.NewReader(p.out)
	br := bufio.NewReader(r)
	var ends []int
	for {
		req, err := http.ReadRequest(br)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("net/http refuses what passed: %v\n%q", err, p.out)
		}
		if hosts := req.Header["Host"]; len(hosts) > 1 || req.ProtoMajor != 1 || req.Header[refusalHeader] != nil {
			t.Fatalf("passed: %+v", req)
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "unexpected EOF") {
				t.Fatalf("net/http refuses a body that passed: %v\n%q", err, p.out)
			}
			break // it is cut off, by a refusal or by the end of the input
		}
		ends = append(ends, len(p.out)-r.Len()-br.Buffered())
	}
	if fmt.Sprint(ends) != fmt.Sprint(p.ends) {
		t.Errorf("messages end at %v for net/http, at %v for the guard\n%q", ends, p.ends, p.out)
	}
}

// FuzzRequest checks that what the client writes is what was asked, for net/http and for the guard.
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
		p := guard(t, nc.written.Bytes(), 0, 1<<16)
		if p.refused != nil && len(value) < 16<<10 && len(path) < 2<<10 && len(query) < 4<<10 && !strings.EqualFold(name, "expect") {
			_, reason, _ := Refusal(p.refused)
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
		want := []string{trimOWS(value)}
		if isOurs(name) || fold(name, "upgrade") || fold(name, "expect") {
			return
		}
		if values := got.Header[http.CanonicalHeaderKey(name)]; !reflect.DeepEqual(values, want) {
			t.Errorf("%q: got %q, want %q", name, values, want)
		}
	})
}

// FuzzChunked sends a body in chunks and reads it back, by net/http and by the client's own decoder.
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
		if !u.settled() {
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
		for who, resp := range map[string]*http.Response{"http1": resp, "net/http": want} {
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, body) || resp.Trailer.Get("Sum") != "42" {
				t.Errorf("%s: %d of %d bytes, %v, trailer %v", who, len(got), len(body), err, resp.Trailer)
			}
		}
		if !c.Reusable() {
			t.Error("not reusable")
		}
	})
}
