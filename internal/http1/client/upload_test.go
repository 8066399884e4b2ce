package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// closeRecorder is a request body that records its Close.
type closeRecorder struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func recordClose(r io.Reader) *closeRecorder {
	return &closeRecorder{Reader: r, closed: make(chan struct{})}
}

func (c *closeRecorder) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestBodiesOfTheWrongLength(t *testing.T) {
	broken := errors.New("client disconnected")
	large := strings.Repeat("x", 50_000)
	for name, test := range map[string]struct {
		body  func() io.Reader
		n     int64
		stage Stage
		want  error
	}{
		"short in memory":  {func() io.Reader { return strings.NewReader("ab") }, 3, NotSent, io.ErrUnexpectedEOF},
		"long in memory":   {func() io.Reader { return strings.NewReader("abcd") }, 3, NotSent, errBodyTooLong},
		"short stream":     {func() io.Reader { return io.LimitReader(strings.NewReader("ab"), 9) }, 3, Sent, io.ErrUnexpectedEOF},
		"long stream":      {func() io.Reader { return io.LimitReader(strings.NewReader("abcd"), 9) }, 3, Sent, errBodyTooLong},
		"long by chunks":   {func() io.Reader { return io.MultiReader(strings.NewReader("abc"), strings.NewReader("d")) }, 3, Sent, errBodyTooLong},
		"broken stream":    {func() io.Reader { return io.MultiReader(strings.NewReader(large), failing{broken}) }, 60_000, Sent, broken},
		"broken chunks":    {func() io.Reader { return io.MultiReader(strings.NewReader(large), failing{broken}) }, -1, Sent, broken},
		"idle stream":      {func() io.Reader { return failing{nil} }, 5, Sent, io.ErrNoProgress},
		"broken in memory": {func() io.Reader { return inMemoryFailing{broken} }, 5, NotSent, broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := peer(t, func(nc net.Conn, br *bufio.Reader) {
				io.Copy(io.Discard, br) // it never answers: the client must not wait for an answer
			})
			req := request(t, "POST", "http://a/", test.body())
			req.ContentLength = test.n
			_, err := c.RoundTrip(req)
			if e := (*Error)(nil); !errors.As(err, &e) || e.Stage != test.stage || c.Reusable() != (e.Stage == NotSent) {
				t.Errorf("got %v, reusable %v", err, c.Reusable())
			}
			if bad := (*BodyError)(nil); !errors.As(err, &bad) || !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// failing is a body whose reads fail.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// inMemoryFailing is a failing body that claims to be in memory.
type inMemoryFailing failing

func (f inMemoryFailing) Read([]byte) (int, error) { return 0, f.err }

func (f inMemoryFailing) Close() error { return nil }

func (f inMemoryFailing) Len() int { return 5 }

func TestEarlyResponseWhileUploading(t *testing.T) {
	c := peer(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nabc")
		br.ReadByte() // it reads no more of the body
	})
	r, w := io.Pipe()
	body := recordClose(r)
	resp, text := roundTrip(t, c, request(t, "POST", "http://a/", body))
	if resp.StatusCode != 413 || text != "abc" {
		t.Errorf("%s %q", resp.Status, text)
	}
	if c.Reusable() {
		t.Error("reusable during an upload")
	}
	w.Write([]byte("too late"))
	w.Close()
	<-body.closed
}

func TestFullDuplex(t *testing.T) {
	c, url := dial(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(200)
		rc.Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			rc.Flush()
			if err != nil {
				return
			}
		}
	})
	r, w := io.Pipe()
	resp, err := c.RoundTrip(request(t, "POST", url, r))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, word := range []string{"ping", "pong", "last"} {
		io.WriteString(w, word)
		if _, err := io.ReadFull(resp.Body, buf[:4]); err != nil || string(buf[:4]) != strings.ToUpper(word) {
			t.Fatalf("%q, %v", buf[:4], err)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil || !c.Reusable() {
		t.Errorf("%q, %v, reusable %v", rest, err, c.Reusable())
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestExpectContinue(t *testing.T) {
	post := func(body io.Reader) *http.Request {
		req := request(t, "POST", "http://a/", body)
		req.Header.Set("Expect", "100-continue")
		return req
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	t.Run("granted", func(t *testing.T) {
		got := make(chan string, 2)
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			got <- readHead(br)
			io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
			body := make([]byte, 5)
			io.ReadFull(br, body)
			got <- string(body)
			io.WriteString(nc, ok)
			br.ReadByte()
		})
		roundTrip(t, c, post(strings.NewReader("hello")))
		if head := <-got; !strings.Contains(head, "Expect: 100-continue\r\n") || !strings.Contains(head, "Content-Length: 5\r\n") {
			t.Errorf("got %q", head)
		}
		if body := <-got; body != "hello" || !c.Reusable() {
			t.Errorf("got %q, reusable %v", body, c.Reusable())
		}
	})
	t.Run("refused", func(t *testing.T) {
		rest := make(chan []byte, 1)
		c := peer(t, func(nc net.Conn, br *bufio.Reader) {
			readHead(br)
			io.WriteString(nc, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
			b, _ := io.ReadAll(br)
			rest <- b
		})
		body := recordClose(strings.NewReader("hello"))
		resp, _ := roundTrip(t, c, post(body))
		if resp.StatusCode != 417 || c.Reusable() {
			t.Errorf("%s, reusable %v", resp.Status, c.Reusable())
		}
		<-body.closed
		if b := <-rest; len(b) > 0 {
			t.Errorf("sent the body: %q", b)
		}
	})
	t.Run("ignored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				br := bufio.NewReader(server)
				readHead(br)
				io.ReadFull(br, make([]byte, 5))
				io.WriteString(server, ok)
			})
			c := NewConn(client, nil)
			roundTrip(t, c, post(strings.NewReader("hello")))
			if waited := time.Since(start); waited != continueTimeout || !c.Reusable() {
				t.Errorf("waited %v, reusable %v", waited, c.Reusable())
			}
			wg.Wait()
		})
	})
}
