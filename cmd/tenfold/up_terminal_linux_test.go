package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new terminal. A process whose controlling terminal is the second end loses it when
// the first one is closed, as when a window is closed or a connection breaks.
func openTerminal(t *testing.T) (window, terminal *os.File) {
	t.Helper()
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { window.Close() })
	if err := unix.IoctlSetPointerInt(int(window.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(window.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return window, terminal
}

// When its terminal is gone, tenfold drains.
func TestUpDrainsWhenItsTerminalIsGone(t *testing.T) {
	window, terminal := openTerminal(t)
	file := filepath.Join(t.TempDir(), "tenfold.yaml")
	write(t, file, twoServices)
	x := up(t, call{args: append([]string{"-f", file}, quiet...), terminal: terminal})
	terminal.Close()
	x.signal(syscall.SIGHUP) // the terminal is still there
	x.stderr.await(x, `"msg":"reloaded"`)
	x.children = startedBy(x.cmd.Process.Pid)
	window.Close()
	begun := time.Now()
	if code := x.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	x.wantAllGone()
	figure(t, "terminal-gone", "ended_after", time.Since(begun))
}
