package guard

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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
