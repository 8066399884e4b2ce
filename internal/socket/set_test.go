package socket_test

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/tenfold-go/tenfold/internal/socket"
)

// passed returns a listening socket as another process passes it, and its address.
func passed(t *testing.T, configured, name string) (socket.Inherited, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return socket.Inherited{Address: configured, Name: name, File: file}, l.Addr().String()
}

func newSet(t *testing.T, inherited ...socket.Inherited) *socket.Set {
	t.Helper()
	s, err := socket.NewSet(inherited)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// greet accepts one connection and sends a greeting.
func greet(l net.Listener, text string) {
	c, err := l.Accept()
	if err == nil {
		io.WriteString(c, text)
		c.Close()
	}
}

// hear connects and returns the greeting.
func hear(t *testing.T, address string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text, _ := io.ReadAll(c)
	return string(text)
}

// The whole way of a listener: opened, handed to a successor, released. A connection is never refused, and after the
// release the successor gets each one.
func TestAListenerIsHandedOverWithoutAGap(t *testing.T) {
	old := newSet(t)
	l, err := old.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old.Start()
	address := l.Addr().String()
	go greet(l, "old")
	if got := hear(t, address); got != "old" {
		t.Errorf("before the handover: %q", got)
	}

	files, err := old.Files()
	if err != nil || len(files) != 1 || files[0].Address != "127.0.0.1:0" {
		t.Fatalf("Files returned %v, %v", files, err)
	}
	successor := newSet(t, files...)
	next, err := successor.Listen("127.0.0.1:0")
	if err != nil || next.Addr().String() != address {
		t.Fatalf("the successor listens on %v, %v; want %s", next.Addr(), err, address)
	}
	waiting, err := net.Dial("tcp", address) // accepted by none of them yet
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	ended := make(chan error)
	old.Release()
	go func() {
		_, err := l.Accept() // waits
		ended <- err
	}()
	go greet(next, "new")
	successor.Start()
	if text, _ := io.ReadAll(waiting); string(text) != "new" {
		t.Errorf("a connection that came before the release: %q", text)
	}
	select {
	case err := <-ended:
		t.Errorf("the released listener returned %v before it was closed", err)
	default:
	}
	if err := l.Close(); err != nil {
		t.Errorf("close after release: %v", err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the released listener returned %v", err)
	}
	go greet(next, "new again")
	if got := hear(t, address); got != "new again" {
		t.Errorf("after the old one was closed: %q", got)
	}
	next.Close()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the address is open after all have closed it")
	}
}

func TestWhichListenerGetsWhichSocket(t *testing.T) {
	byAddress, addressed := passed(t, ":http", "")
	byPort, ported := passed(t, "", "web.socket")
	other, otherAddress := passed(t, "", "web.socket")
	admin, adminAddress := passed(t, "", "admin")
	unused, unusedAddress := passed(t, "192.0.2.1:1", "")
	s := newSet(t, admin, other, byPort, byAddress, unused)
	_, port, _ := net.SplitHostPort(ported)
	for _, c := range []struct {
		listen  func(string) (net.Listener, error)
		address string
		want    string
	}{
		{s.Listen, ":" + port, ported},
		{s.Listen, ":http", addressed},
		{s.Listen, ":9999", otherAddress}, // the unit of systemd decides about the address
		{s.ListenAdmin, "127.0.0.1:9090", adminAddress},
	} {
		l, err := c.listen(c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if l.Addr().String() != c.want {
			t.Errorf("%s is at %v, want %s", c.address, l.Addr(), c.want)
		}
	}
	if left := s.CloseUnused(); !slices.Equal(left, []string{unusedAddress}) {
		t.Errorf("unused are %v, want %s", left, unusedAddress)
	}
	if left := s.CloseUnused(); left != nil {
		t.Errorf("unused again: %v", left)
	}
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if files, err := s.Files(); err != nil || len(files) != 5 {
		t.Errorf("a successor gets %d listeners, %v; want 5", len(files), err)
	} else {
		for _, f := range files {
			f.File.Close()
		}
	}
}

func TestCloseBeforeStart(t *testing.T) {
	s := newSet(t)
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returned %v", err)
	}
	if files, err := s.Files(); len(files) != 0 || err != nil {
		t.Errorf("a closed listener is handed over: %v, %v", files, err)
	}
}

func TestFilesThatAreNoListenersAreRefused(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	good, address := passed(t, "", "")
	if _, err := socket.NewSet([]socket.Inherited{good, {Name: "web", File: null}}); err == nil {
		t.Error("a file that is no socket is accepted")
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the other socket is left open")
	}
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, _ := l.(*net.UnixListener).File()
	if _, err := socket.NewSet([]socket.Inherited{{File: file}}); err == nil {
		t.Error("a unix socket is accepted")
	}
}

// The descriptors from 3 on are those of the Go runtime when systemd has passed none. They must stay open.
func TestDescriptorsThatAreNoSocketsStayOpen(t *testing.T) {
	for _, count := range []string{"100", "-1", "101", "many", ""} {
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		t.Setenv("LISTEN_FDS", count)
		if all, err := socket.FromSystemd(); len(all) != 0 || err == nil {
			t.Errorf("LISTEN_FDS=%s: got %v, %v", count, all, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("a descriptor of the runtime was closed: %v", err)
	}
	l.Close()
}

func TestSocketsOfSystemdForAnotherProcessAreIgnored(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_FDNAMES", "web")
	if all, err := socket.FromSystemd(); len(all) != 0 || err != nil {
		t.Errorf("got %v, %v", all, err)
	}
	for _, key := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if value, ok := os.LookupEnv(key); ok {
			t.Errorf("%s=%s is left for the nodes", key, value)
		}
	}
}
