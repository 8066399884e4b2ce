package main

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// When tenfold ends by a signal that it does not handle, all processes that it started end: the nodes and the private
// store.
func TestUpNoProcessOutlivesTenfold(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGABRT, syscall.SIGTRAP} {
		var x *running
		if s == syscall.SIGKILL {
			x = demo(t)
		} else {
			x = up(t, call{args: []string{"--nodes", "3", "--", "service"}})
		}
		begun := time.Now()
		x.end(s)
		x.wait()
		x.awaitAllGone()
		took := time.Since(begun)
		want := 4 // three nodes and the reaper
		if _, err := exec.LookPath("redis-server"); err == nil {
			want = 5
		}
		if runtime.GOOS == "linux" && len(x.children) != want {
			t.Errorf("tenfold had started %v, want %d processes", x.children, want)
		}
		figure(t, "end-by-"+s.String(), "processes", len(x.children), "all_gone_after", took)
	}
}

// Service managers send SIGTERM. All other tests use Ctrl-C.
func TestUpEndsOnSIGTERM(t *testing.T) {
	x := upQuietly(t, "", "--", "service")
	x.end(syscall.SIGTERM)
	if code := x.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	x.wantAllGone()
}

// After the first Ctrl-C, tenfold accepts no new connections and lets requests finish. The second one ends them.
func TestUpSecondInterruptDoesNotWait(t *testing.T) {
	x := upQuietly(t, "", "--", "service")
	c, err := dial(strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answered := make(chan error, 1)
	go func() {
		_, err := c.do(request("GET", "/small?ms=600000"))
		answered <- err
	}()
	inFlight := func() (n int64) {
		for _, node := range x.nodes() {
			n += node.InFlight
		}
		return n
	}
	x.await("the long request is in flight", func() bool { return inFlight() == 1 })

	x.signal(os.Interrupt)
	x.await("no new connection is accepted", func() bool {
		nc, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	if inFlight() != 1 {
		t.Error("the first Ctrl-C ended the long request")
	}
	again := time.Now()
	x.end(os.Interrupt)
	if code := x.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	took := time.Since(again)
	if err := <-answered; err == nil {
		t.Error("the long request was answered")
	}
	if took > 25*time.Second { // drain is 30 s
		t.Errorf("tenfold ended %v after the second Ctrl-C", took)
	}
	x.wantAllGone()
	figure(t, "second-interrupt", "ended_after", took)
}
