package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Under a service manager: the sockets come from it, it learns each state, also over an upgrade, and the nodes do not get
// its variables.
func TestUpUnderAServiceManager(t *testing.T) {
	notify := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	passed := func() (*os.File, string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		return file, l.Addr().String()
	}
	web, webAddress := passed()
	admin, adminAddress := passed()
	program := filepath.Join(t.TempDir(), "tenfold")
	installTenfold(t, program)
	// A service manager knows the process that it starts: LISTEN_PID.
	x := start(t, call{
		program: "sh", files: []*os.File{web, admin},
		args: []string{"-c", `export LISTEN_PID=$$; exec "$0" "$@"`, program, "up", "--store", "none", "--access", "off", "--nodes", "2", "--", "service"},
		env:  []string{"NOTIFY_SOCKET=" + notify, "WATCHDOG_USEC=400000", "LISTEN_FDS=2", "LISTEN_FDNAMES=web.socket:admin"},
	})
	web.Close()
	admin.Close()
	x.awaitListening()
	if x.url != "http://"+webAddress || x.admin != adminAddress {
		t.Errorf("tenfold listens on %s and %s, want %s and %s of the service manager", x.url, x.admin, webAddress, adminAddress)
	}
	x.awaitReady()
	first := strconv.Itoa(x.cmd.Process.Pid)
	sent := func(want ...string) { awaitStates(t, manager, want...) }
	sent("READY=1", "WATCHDOG=1")
	next := strconv.Itoa(x.upgrade())
	sent("RELOADING=1", "MAINPID="+next, "READY=1", "WATCHDOG=1")
	x.await("the node answers", func() bool { code, _ := x.visit("/small", ""); return code == http.StatusOK })
	for _, p := range processes() {
		if !strings.Contains(string(p.environ), x.mark) || strconv.Itoa(p.pid) == first || strconv.Itoa(p.pid) == next {
			continue
		}
		for _, variable := range []string{"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "LISTEN_FDS=", "LISTEN_PID=", "TENFOLD_SUCCESSION="} {
			if strings.Contains(string(p.environ), variable) {
				t.Errorf("process %v has %s in its environment", p, variable)
			}
		}
	}
	x.stop()
	sent("STOPPING=1")
}

// awaitStates reads datagrams until each of the states was sent, in this order.
func awaitStates(t *testing.T, manager *net.UnixConn, states ...string) {
	t.Helper()
	manager.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	for _, want := range states {
		for found := false; !found; {
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("%s was not sent: %v", want, err)
			}
			for line := range strings.Lines(string(b[:n])) {
				found = found || strings.TrimSpace(line) == want
			}
		}
	}
}
