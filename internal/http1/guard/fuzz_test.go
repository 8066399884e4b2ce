package guard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
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

// result is what a guard returned for some input.
type result struct {
	out     []byte
	ends    []int // offsets in out at which a message ended
	refused *http.Request
	err     error
}

// filterAll reads data through a guard, in reads of n octets, as a server does that never switches protocols.
func filterAll(t *testing.T, data []byte, size, n int) (p result) {
	t.Helper()
	g := NewListener(nil, nil).guard(&portions{data: bytes.Clone(data), size: size}).(*conn)
	b := make([]byte, n)
	for {
		k, err := g.Read(b)
		if g.refused.Load() && g.filter.state == stateRefused { // b has the start of the request that replaces the refused one
			refusal := append(b[:k:k], g.filter.refusal...)
			if p.refused, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(refusal))); err != nil {
				t.Fatalf("net/http refuses the refusal %q: %v", refusal, err)
			}
			return p
		}
		p.out = append(p.out, b[:k]...)
		if g.out == g.outEnd && k > 0 && (g.filter.state == stateHead || g.filter.state == stateUpgrade) {
			p.ends = append(p.ends, len(p.out))
			g.serverState(http.StateIdle)
		}
		if err != nil {
			p.err = err
			return p
		}
	}
}

// FuzzGuard compares the guard with net/http: net/http reads what passes as the same messages, and it passes a second
// guard unchanged.
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
		p := filterAll(t, data, 0, 1<<16)
		if q := filterAll(t, data, int(size), int(n)+1); !bytes.Equal(p.out, q.out) || (p.refused == nil) != (q.refused == nil) || fmt.Sprint(p.err) != fmt.Sprint(q.err) {
			t.Fatalf("in one read: %q %v %v\nin portions: %q %v %v", p.out, p.refused, p.err, q.out, q.refused, q.err)
		}
		if p.refused != nil {
			if status, reason, ok := Refusal(p.refused); !ok || status < 400 || reason == "" {
				t.Errorf("refusal: %d %q %v", status, reason, ok)
			}
		}
		checkServer(t, p)
		again := filterAll(t, p.out, 0, 1<<16)
		if !bytes.Equal(again.out, p.out) || again.refused != nil || again.err != io.EOF {
			t.Errorf("passed once:  %q\npassed twice: %q %v %v", p.out, again.out, again.refused, again.err)
		}
	})
}

// checkServer reads the result as net/http's server does, and compares the ends of the messages.
func checkServer(t *testing.T, p result) {
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
			break // a refusal or the end of the input ended it
		}
		ends = append(ends, len(p.out)-r.Len()-br.Buffered())
	}
	if fmt.Sprint(ends) != fmt.Sprint(p.ends) {
		t.Errorf("messages end at %v for net/http, at %v for the guard\n%q", ends, p.ends, p.out)
	}
}
