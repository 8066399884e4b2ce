package std

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// wantStatus reads a response.
func wantStatus(t *testing.T, br *bufio.Reader, status int) {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != status {
		t.Fatalf("got %d, want %d", resp.StatusCode, status)
	}
}

// wantClosed checks that the server closes the connection without a byte.
func wantClosed(t *testing.T, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is open: %d %v", n, err)
	}
}

// At the limit, a new connection takes the place of the one that has been idle for the longest time.
func TestNewConnectionReplacesTheLongestIdleOne(t *testing.T) {
	s := serveLimited(t, func(w http.ResponseWriter, r *http.Request) {}, 3)
	silent, _ := s.dial(t, "")
	await(t, "the silent connection is accepted", func() bool { return s.open.Load() == 1 })
	time.Sleep(silentAtLeast)
	first, firstReader := s.dial(t, get)
	wantStatus(t, firstReader, 200)
	second, secondReader := s.dial(t, get)
	wantStatus(t, secondReader, 200)
	_, br := s.dial(t, get)
	wantStatus(t, br, 200)
	_, br = s.dial(t, get)
	wantStatus(t, br, 200)
	wantClosed(t, silent)
	wantClosed(t, first)
	io.WriteString(second, get)
	wantStatus(t, secondReader, 200)
	if s.waited.Load() != 2 || s.evicted.Load() != 2 {
		t.Errorf("%d waited, %d closed, want 2 and 2", s.waited.Load(), s.evicted.Load())
	}
}

// A connection with a request, or with a part of one, is not closed for another one. The new one waits until a slot is
// free.
func TestConnectionsWithRequestsAreNotClosed(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	s := serveLimited(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			arrived <- true
			<-release
		}
	}, 2)
	_, held := s.dial(t, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	half, halfReader := s.dial(t, "GET / HTTP/1.1\r\n")
	await(t, "both connections are accepted", func() bool { return s.open.Load() == 2 })
	waiting, waitingReader := s.dial(t, get)
	waiting.SetReadDeadline(time.Now().Add(2 * silentAtLeast))
	if n, err := waiting.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a connection above the limit got %d %v", n, err)
	}
	waiting.SetReadDeadline(time.Now().Add(20 * time.Second))
	release <- true
	wantStatus(t, held, 200)
	wantStatus(t, waitingReader, 200)
	io.WriteString(half, "Host: a\r\n\r\n")
	wantStatus(t, halfReader, 200)
}

// Shutdown does not wait for a connection that waits for a slot.
func TestShutdownWithAWaitingConnection(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	s := serveLimited(t, func(w http.ResponseWriter, r *http.Request) { arrived <- true; <-release }, 1)
	s.dial(t, get)
	<-arrived
	waiting, _ := s.dial(t, get)
	await(t, "the second connection waits", func() bool { return s.waited.Load() == 1 })
	s.Engine.(*Engine).server.RegisterOnShutdown(func() { close(release) })
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.result(t); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	wantClosed(t, waiting)
}

// starved is a listener that lacks descriptors for a while.
type starved struct {
	net.Listener
	fails   atomic.Bool
	accepts atomic.Int64
}

func (l *starved) Accept() (net.Conn, error) {
	if l.fails.Load() {
		l.accepts.Add(1)
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// Without descriptors, Accept closes an idle connection, pauses and tries again.
func TestAcceptDoesNotSpinWithoutDescriptors(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	evicted := atomic.Int64{}
	limit := NewLimit(0, &LimitOptions{Log: slog.New(slog.DiscardHandler), Evicted: func() { evicted.Add(1) }})
	l := &starved{Listener: inner}
	limited := limit.listener(l)
	idle, other := net.Pipe()
	defer other.Close()
	limit.add(idle).(*limitedConn).idleSince.Store(1)
	l.fails.Store(true)
	time.AfterFunc(5*limitPoll, func() { l.fails.Store(false) })
	go net.Dial("tcp", inner.Addr().String())
	nc, err := limited.Accept()
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if n := l.accepts.Load(); n < 1 || n > 7 {
		t.Errorf("%d calls of Accept in five pauses", n)
	}
	if evicted.Load() != 1 {
		t.Errorf("%d idle connections were closed, want 1", evicted.Load())
	}
	l.fails.Store(true)
	time.AfterFunc(limitPoll/2, func() { limited.Close() })
	if _, err := limited.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
