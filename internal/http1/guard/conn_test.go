package guard

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/http1/client"
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
