package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// closer is a server that closes each connection after a number of responses, without a word in the responses.
type closer struct {
	url      string
	requests atomic.Int64
	bodies   atomic.Int64 // bytes
}

// startCloser starts the server. After each `after` responses of a connection it closes the connection; partial is what
// it sends in answer to the next request before.
func startCloser(t *testing.T, secure bool, after int, partial string) *closer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &closer{url: "http://" + l.Addr().String()}
	if secure {
		s := httptest.NewUnstartedServer(nil)
		s.StartTLS()
		l = tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates})
		s.Close()
		c.url = "https" + c.url[len("http"):]
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(nc, after, partial)
		}
	}()
	return c
}

func (c *closer) serve(nc net.Conn, after int, partial string) {
	defer nc.Close()
	r := bufio.NewReader(nc)
	for n := 0; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		if n == after {
			io.WriteString(nc, partial)
			return
		}
		c.requests.Add(1)
		c.bodies.Add(int64(len(body)))
		fmt.Fprint(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// A server that closes kept connections causes no errors. The repeated requests are counted. The next request of a
// connection reaches this server before the close, which is the hardest case: an idle close looks the same.
func TestRequestsOnClosedConnectionsAreRepeated(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(fmt.Sprint(method, " secure ", secure), func(t *testing.T) {
				server := startCloser(t, secure, 10, "")
				body := []byte(nil)
				if method == "POST" {
					body = []byte("12345")
				}
				target, err := NewTarget(server.url, method, nil, body)
				if err != nil {
					t.Fatal(err)
				}
				s := measureUsers(t, func(o *Options) (*Generator, error) { return New(target, o) })
				checkRepeated(t, s, server, int64(len(body)))
			})
		}
		t.Run(fmt.Sprint("journey secure ", secure), func(t *testing.T) {
			server := startCloser(t, secure, 10, "")
			j := parseJourney(t, "steps: [{path: /a}, {path: /b, body: 'abcd', expect: {status: 200}}]")
			s := measureUsers(t, func(o *Options) (*Generator, error) { return NewJourney(j, server.url, o) })
			checkRepeated(t, s, server, 0)
		})
	}
}

func measureUsers(t *testing.T, newGenerator func(*Options) (*Generator, error)) *Step {
	t.Helper()
	g, err := newGenerator(&Options{
		Duration: 300 * time.Millisecond, Warmup: noWarmup(), TLS: &tls.Config{InsecureSkipVerify: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	s, err := g.Users(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checkRepeated(t *testing.T, s *Step, server *closer, body int64) {
	t.Helper()
	if s.Errors != 0 || s.Requests < 20 {
		t.Errorf("%d requests, errors %v: %v", s.Requests, s.Errors, s.ErrorKinds)
	}
	if want := s.Requests / 10; s.Repeated < want-3 || s.Repeated > want+3 {
		t.Errorf("%d of %d requests were repeated, want about %d", s.Repeated, s.Requests, want)
	}
	if n := server.requests.Load(); body > 0 && server.bodies.Load() != n*body {
		t.Errorf("%d requests arrived with %d bytes, want %d bytes in each", n, server.bodies.Load(), body)
	}
}

// The first request on a connection is never repeated, and no request of which a byte was answered.
func TestOtherRequestsAreNotRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		after   int
		partial string
	}{"the first request": {0, ""}, "a partial answer": {1, "HTTP/1.1 2"}} {
		for _, secure := range []bool{false, true} {
			server := startCloser(t, secure, c.after, c.partial)
			target, err := NewTarget(server.url, "", nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := measureUsers(t, func(o *Options) (*Generator, error) { return New(target, o) })
			if s.Repeated != 0 || s.Errors == 0 {
				t.Errorf("%s, secure %v: %d of %d repeated, errors %v", name, secure, s.Repeated, s.Requests, s.ErrorKinds)
			}
		}
	}
}

func TestLoadOverAUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wrong atomic.Value
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/a?b=c" || r.Host != "localhost" {
			wrong.Store(r.Host + r.RequestURI)
		}
	})}
	go server.Serve(l) // ends with Close
	defer server.Close()
	at := "unix:" + socket + ":/a?b=c"
	target, err := NewTarget(at, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := target.Check(t.Context(), nil); status != 200 || err != nil {
		t.Fatalf("check: status %d, %v", status, err)
	}
	s := measureUsers(t, func(o *Options) (*Generator, error) { return New(target, o) })
	if s.Errors != 0 || s.Requests == 0 || wrong.Load() != nil {
		t.Errorf("%d requests, errors %v, arrived at %v", s.Requests, s.ErrorKinds, wrong.Load())
	}
	j := parseJourney(t, "steps: [{path: /a?b=c}]")
	if err := CheckJourney(t.Context(), j, "unix:"+socket, nil); err != nil {
		t.Error(err)
	}
	s = measureUsers(t, func(o *Options) (*Generator, error) { return NewJourney(j, "unix:"+socket, o) })
	if s.Errors != 0 || s.Requests == 0 || wrong.Load() != nil {
		t.Errorf("journey: %d requests, errors %v, arrived at %v", s.Requests, s.ErrorKinds, wrong.Load())
	}
	u, err := ParseURL(at)
	if err != nil || u.Redacted() != at || !Local(u) || Public(context.Background(), u) != "" {
		t.Errorf("got %v, %v", u, err)
	}
}
