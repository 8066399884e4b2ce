package guard

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

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
