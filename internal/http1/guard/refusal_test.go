package guard

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

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
