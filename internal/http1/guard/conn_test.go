package guard

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// writeOctets writes one octet at a time.
func writeOctets(nc net.Conn, s string) {
	for i := range len(s) {
		if _, err := io.WriteString(nc, s[i:i+1]); err != nil {
			return
		}
	}
}

const pipeline = "POST /1 HTTP/1.1\r\nHost: a\r\nX_Drop: 1\r\nContent-Length: 5\r\n\r\nhello" +
	"\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext\r\nhello\r\n6\r\n world\r\n0;x\r\nX: y\r\n\r\n" +
	"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"

var pipelineAnswers = []string{
	`200 POST /1 host=a body="hello"`,
	`200 POST /2 host=a body="hello world" trailer=map["X":["y"]]`,
	`200 GET /3 host=a body=""`,
}

func TestPipelineInReadsOfAnySize(t *testing.T) {
	const bad = "GET /4 HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n"
	wants := append(pipelineAnswers, "400 invalid octet in header name (GET /4)", "end")
	for _, size := range []int{1, 2, 3, 7, 64, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			server, client := net.Pipe()
			g := NewListener(nil, nil)
			go func() {
				all := pipeline + bad
				for i := 0; i < len(all); i += size {
					client.Write([]byte(all[i:min(i+size, len(all))]))
				}
				client.Close()
			}()
			// The bufio.Reader reads in many sizes, like the server.
			br := bufio.NewReaderSize(g.guard(server), 4096)
			for i := range 4 {
				req, err := http.ReadRequest(br)
				if err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				describe(w, req)
				if got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String())); got != wants[i] {
					t.Errorf("got %q, want %q", got, wants[i])
				}
			}
			if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
				t.Errorf("after the refusal: %q, %v", rest, err)
			}
		})
	}
}

func TestPipelineThroughServer(t *testing.T) {
	addr := guardedServer(t, nil, describe)
	for name, send := range map[string]func(net.Conn, string){
		"at once": func(nc net.Conn, s string) { io.WriteString(nc, s) },
		"slowly":  writeOctets,
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			go send(nc, pipeline)
			br := bufio.NewReader(nc)
			for _, want := range pipelineAnswers {
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				if got := "200 " + string(body); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	server, client := net.Pipe()
	g := NewListener(nil, nil).guard(server).(*conn)
	go writeOctets(client, pipeline)
	br := bufio.NewReader(g)
	for range 3 {
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, req.Body)
	}
	if g.buf != nil || g.pooled != nil || g.filter.parser != nil {
		t.Errorf("buffer %d, parser %v", len(g.buf), g.filter.parser)
	}
}

// The context of a handler that answers a refusal must end when the client disconnects, and not before.
func TestRefusalDoesNotCancelItsHandler(t *testing.T) {
	cancelled := make(chan error, 1)
	released := make(chan struct{})
	addr := guardedServer(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, _, ok := Refusal(r); ok {
			w.WriteHeader(status)
			w.(http.Flusher).Flush()
			<-released
			cancelled <- r.Context().Err()
			<-r.Context().Done() // the client disconnected
			cancelled <- r.Context().Err()
		}
	}))
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, "GET / HTTP/1.1\r\n\r\nmore and more")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Fatal(resp, err)
	}
	io.WriteString(nc, "and more")
	close(released)
	if err := <-cancelled; err != nil {
		t.Errorf("context while the client waits: %v", err)
	}
	nc.Close()
	if err := <-cancelled; err != context.Canceled {
		t.Errorf("context after the client disconnected: %v", err)
	}
}

func TestSecondRequestIsRefusedWhileFirstRuns(t *testing.T) {
	first, second := make(chan struct{}), make(chan error, 1)
	addr := guardedServer(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			<-first
			second <- r.Context().Err()
		}
		describe(w, r)
	}))
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\n\r\n")
	close(first)
	if err := <-second; err != nil {
		t.Errorf("context of the first request: %v", err)
	}
	br := bufio.NewReader(nc)
	for _, want := range []int{200, 400} {
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatal(resp, err)
		}
		io.Copy(io.Discard, resp.Body)
	}
}

// echo is a handler that switches to a protocol which echoes its input, unless the path is /deny.
var echo http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
	if _, _, refused := Refusal(r); refused || r.URL.Path == "/deny" {
		describe(w, r)
		return
	}
	nc, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	early, _ := brw.Reader.Peek(brw.Reader.Buffered())
	nc.Write(early)
	io.Copy(nc, nc)
}

func TestUpgrade(t *testing.T) {
	const upgrade = " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	addr := guardedServer(t, nil, echo)
	for _, early := range []string{"", "e", "early \n\x00 data"} {
		t.Run("granted after "+early, func(t *testing.T) {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			io.WriteString(nc, "GET /"+upgrade+early)
			br := bufio.NewReader(nc)
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != 101 {
				t.Fatal(resp, err)
			}
			const later = "\x00\r\n raw \n"
			io.WriteString(nc, later)
			got := make([]byte, len(early+later))
			if _, err := io.ReadFull(br, got); err != nil || string(got) != early+later {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("denied", func(t *testing.T) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		br := bufio.NewReader(nc)
		for _, test := range []struct {
			send string
			want int
		}{
			{"GET /deny" + upgrade, 200},
			{"GET /deny HTTP/1.1\r\nHost: a\r\n\r\n", 200},
			{"GET /deny HTTP/1.1\r\n\r\n", 400}, // the guard filters again
		} {
			io.WriteString(nc, test.send)
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			if resp.StatusCode != test.want {
				t.Errorf("%q: %d", test.send, resp.StatusCode)
			}
		}
	})
	t.Run("denied before the next", func(t *testing.T) {
		got := exchange(t, addr, "GET /deny"+upgrade+"GET /deny HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 2)
		if want := []string{`200 GET /deny host=a body=""`, "400 invalid octet in header name (GET /deny)", "end"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("denied after too much", func(t *testing.T) {
		got := exchange(t, addr, "GET /deny"+upgrade+strings.Repeat("x", 2*wire.BufferSize), 2)
		if len(got) < 2 || !strings.HasPrefix(got[1], "414") && !strings.HasPrefix(got[1], "end") {
			t.Errorf("got %q", got)
		}
	})
}

func TestHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		g := NewListener(nil, nil).guard(server)
		br := bufio.NewReader(g)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			io.WriteString(client, pipeline)
			time.Sleep(time.Minute) // idle: the server has a limit for that, the guard has none
			for _, c := range "GET / HTTP/1.1\r\nX: and so on" {
				io.WriteString(client, string(c))
				time.Sleep(time.Second)
			}
		})
		for range 3 {
			req, err := http.ReadRequest(br)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, req.Body)
		}
		g.SetReadDeadline(time.Now().Add(2 * time.Minute))
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		if status, reason, _ := Refusal(req); status != 408 || time.Since(start) != 70*time.Second {
			t.Errorf("%d %s after %v", status, reason, time.Since(start))
		}
		client.Close()
		wg.Wait()
	})
}

func TestServerDeadlineAppliesAndCanBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		g := NewListener(nil, nil).guard(server)
		go io.WriteString(client, "GET / HTTP/1.1\r\n")
		g.SetReadDeadline(time.Now().Add(time.Second))
		var p [100]byte
		if n, err := g.Read(p[:]); n > 0 || !isTimeout(err) {
			t.Fatal(n, err)
		}
		g.SetReadDeadline(time.Time{})
		go io.WriteString(client, "Host: a\r\n\r\n")
		if n, err := g.Read(p[:]); string(p[:n]) != "GET / HTTP/1.1\r\nHost: a\r\n\r\n" {
			t.Fatalf("%q, %v", p[:n], err)
		}
	})
}

func TestH2C(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: describe, Protocols: &protocols}
	Attach(srv)
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(NewListener(l, &Options{AllowH2C: true})) })
	t.Cleanup(func() { srv.Close(); wg.Wait() })

	var h2 http.Protocols
	h2.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &h2}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + l.Addr().String() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || !strings.HasPrefix(string(body), "GET /x") {
		t.Errorf("%s: %s", resp.Proto, body)
	}
	if got := exchange(t, l.Addr().String(), "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 2); len(got) < 2 || !strings.HasPrefix(got[1], "505") {
		t.Errorf("preface after a request: %q", got)
	}
}

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

	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	io.WriteString(plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := <-failures; err == nil {
		t.Error("plain HTTP passed the handshake")
	}
}

// A client that is still sending when it is refused must be able to read the answer.
func TestRefusalIsReadableWhileClientSends(t *testing.T) {
	addr := guardedServer(t, nil, describe)
	for range 20 {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat("x", 100_000))
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 400 {
			t.Fatal(resp.Status, err)
		}
		nc.Close()
	}
}

func TestLargeBodies(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, large, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := guardedServer(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(body, large) {
			w.WriteHeader(http.StatusTeapot)
		}
		http.ServeFile(w, r, file) // by sendfile, where the system has it
	}))
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewConn(nc, nil)
	defer c.Close()
	for range 3 {
		for name, body := range map[string]io.Reader{"fixed": bytes.NewReader(large), "chunked": io.MultiReader(bytes.NewReader(large))} {
			resp, got := post(t, c, "http://"+addr+"/", body)
			if resp.StatusCode != 200 || got != string(large) || !c.Reusable() {
				t.Errorf("%s: %s, %d bytes, reusable %v", name, resp.Status, len(got), c.Reusable())
			}
		}
	}
}

// post sends body and returns the response with its whole body.
func post(t *testing.T, c *client.Conn, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp, string(got)
}
