package std

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/engine"
	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// served is an engine that serves a listener.
type served struct {
	engine.Engine
	listener net.Listener
	open     atomic.Int64 // connections
	waited   atomic.Int64
	evicted  atomic.Int64
	ended    chan error // has the result of Serve
}

func serve(t *testing.T, h http.HandlerFunc) *served {
	t.Helper()
	return serveLimited(t, h, 0)
}

// serveLimited is serve with a limit of connections.
func serveLimited(t *testing.T, h http.HandlerFunc, most int) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{listener: l, ended: make(chan error, 1)}
	limit := NewLimit(most, &LimitOptions{
		Log: slog.New(slog.DiscardHandler), Waited: func() { s.waited.Add(1) }, Evicted: func() { s.evicted.Add(1) },
	})
	s.Engine = New(h, limit, &engine.Options{
		Limits:     config.Limits{HeaderTimeout: time.Minute, HeaderBytes: 8 << 10, HeaderLines: 100, URIBytes: 1 << 10},
		Log:        slog.New(slog.DiscardHandler),
		ConnOpened: func() { s.open.Add(1) },
		ConnClosed: func() { s.open.Add(-1) },
	})
	go func() { s.ended <- s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *served) dial(t *testing.T, send string) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, send)
	return nc, bufio.NewReader(nc)
}

func (s *served) result(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Serve did not return")
		return nil
	}
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// Shutdown waits for a request in progress, and Serve then returns nil.
func TestShutdownFinishesRequests(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-release
		io.WriteString(w, "done")
	})
	_, response := s.dial(t, get)
	<-arrived
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if err := s.result(t); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v during a request", err)
	default:
	}
	release <- true
	resp, err := http.ReadResponse(response, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "done" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

// Shutdown returns the context's error when a request takes too long. Close then ends the request.
func TestCloseEndsRequests(t *testing.T) {
	arrived, gone := make(chan bool), make(chan bool)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
		gone <- true
	})
	_, response := s.dial(t, get)
	<-arrived
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("Shutdown returned %v", err)
	}
	s.Close()
	<-gone
	if got, err := io.ReadAll(response); len(got) > 0 {
		t.Errorf("got %q, %v after Close", got, err)
	}
	if err := s.result(t); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// Serve returns the error of a listener that fails.
func TestServeReportsAFailedListener(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	s.listener.Close()
	if err := s.result(t); err == nil {
		t.Error("Serve returned nil for a listener that was closed")
	}
}

// A connection that a handler takes over is opened, and never closed, for the engine.
func TestHijackedConnectionIsNotClosed(t *testing.T) {
	hijacked := make(chan net.Conn, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		hijacked <- nc
	})
	s.dial(t, get)
	nc := <-hijacked
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if n := s.open.Load(); n != 1 {
		t.Errorf("%d connections are open, want 1", n)
	}
	nc.Close()
}

// A request that the guard refuses reaches the handler with its refusal.
func TestRefusedRequestReachesTheHandler(t *testing.T) {
	refused := make(chan string, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if refusal := exchange.From(r).Refusal(); refusal != nil {
			refused <- refusal.Reason
			w.WriteHeader(refusal.Status)
		}
	})
	_, response := s.dial(t, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n")
	if line, err := response.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 400 ") {
		t.Errorf("got %q, %v", line, err)
	}
	if reason := <-refused; reason == "" {
		t.Error("no reason")
	}
}

// await waits until ok returns true. what completes the sentence "waited in vain until ...".
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
