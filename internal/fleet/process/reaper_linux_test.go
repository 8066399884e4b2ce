package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tenfold-go/tenfold/internal/fleet/fleettest"
)

// startTenfold starts a tenfold that the test kills, and waits until all its nodes run.
func startTenfold(t *testing.T, safeguards string, nodes int) (tenfold *exec.Cmd, reaper int, held []*fleettest.Process) {
	t.Helper()
	watcher := fleettest.NewWatcher(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), killedVariable+"="+safeguards), fleettest.Env(fleettest.Hold, watcher)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range nodes {
		held = append(held, watcher.Await(t, fleettest.Hold)...)
	}
	if _, err := fmt.Fscan(bufio.NewReader(out), &reaper); err != nil {
		t.Fatal(err)
	}
	return cmd, reaper, held
}

// awaitEnd waits until a process that is not a child of this one ends.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// statusField reads a line of /proc/PID/status.
func statusField(t *testing.T, pid int, name string) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("process %d has no %s", pid, name)
	return ""
}

// Tenfold is killed and cannot do anything. Its nodes and their children end, even those that left their group, their
// session, their parent or their tag. The reaper ends, too.
func TestAllProcessesEndWhenTenfoldIsKilled(t *testing.T) {
	tenfold, reaper, held := startTenfold(t, "both", 9)
	tenfold.Process.Signal(syscall.SIGKILL)
	for _, p := range held {
		p.AwaitGone()
	}
	awaitEnd(t, reaper)
}

func TestKernelEndsTheNodeWithoutAReaper(t *testing.T) {
	tenfold, _, held := startTenfold(t, "kernel", 1)
	tenfold.Process.Signal(syscall.SIGKILL)
	held[0].AwaitGone()
}

func TestReaperIgnoresTheTerminal(t *testing.T) {
	tenfold, reaper, held := startTenfold(t, "both", 9)
	for ignored := ""; !strings.HasSuffix(ignored, "7"); { // HUP, INT, QUIT: the reaper has begun
		ignored = statusField(t, reaper, "SigIgn")
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if err := syscall.Kill(reaper, s); err != nil {
			t.Fatal(err)
		}
	}
	if session, err := unix.Getsid(reaper); session != reaper || err != nil {
		t.Errorf("the reaper %d is in session %d (%v), want its own", reaper, session, err)
	}
	tenfold.Process.Signal(syscall.SIGKILL)
	for _, p := range held {
		p.AwaitGone()
	}
	awaitEnd(t, reaper)
}

func TestReaperThatEndsIsReplaced(t *testing.T) {
	for name, takeOver := range map[string]func(t *testing.T, d *Driver, watcher *fleettest.Watcher){
		"at once when it lived long enough": func(t *testing.T, d *Driver, watcher *fleettest.Watcher) {
			d.replaceReaper(reaperMinLife)
		},
		"at the next start when it did not": func(t *testing.T, d *Driver, watcher *fleettest.Watcher) {
			d.replaceReaper(reaperMinLife - 1)
			start(t, d, fleettest.Program("shop-2", fleettest.Work, watcher))
			watcher.Await(t, fleettest.Work)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := testDriver(t, Options{})
			watcher := fleettest.NewWatcher(t)
			start(t, d, fleettest.Program("shop-1", fleettest.Hold, watcher))
			held := watcher.Await(t, fleettest.Hold)[0]
			first := d.reaper
			if err := syscall.Kill(first.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-first.gone
			takeOver(t, d, watcher)
			d.mu.Lock()
			second := d.reaper
			d.mu.Unlock()
			if err := second.close(); err != nil { // as if tenfold had ended
				t.Error(err)
			}
			held.AwaitGone() // it was started before the second reaper
		})
	}
}

// A process that shows a title in ps may have overwritten its environment: only its group is known.
func TestReaperKillsTheGroupsThatItWasToldOf(t *testing.T) {
	watcher := fleettest.NewWatcher(t)
	var groups []int
	for range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fleettest.Env(fleettest.Hold, watcher)...)
		cmd.SysProcAttr = attributes()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		groups = append(groups, cmd.Process.Pid)
	}
	held := watcher.Await(t, fleettest.Hold, fleettest.Hold)
	reaper := exec.Command(os.Args[0], "reaper")
	reaper.Stdin = strings.NewReader(fmt.Sprintf("a-tag-that-no-process-has\n+%d\n+%d\n-%d\n", groups[0], groups[1], groups[1]))
	if err := reaper.Run(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(groups[1], 0); err != nil {
		t.Errorf("the group that had ended was killed: %v", err)
	}
	syscall.Kill(groups[1], syscall.SIGKILL)
	held[0].AwaitGone()
	held[1].AwaitGone()
}

func TestReaperRefusesOtherInput(t *testing.T) {
	for _, in := range []string{"", "\n", "short\n", "a,tag,with,commas,in\n", strings.Repeat("x", 1<<20),
		"a-tag-that-no-process-has\nhello\n", "a-tag-that-no-process-has\n0\n"} {
		if err := RunReaper(strings.NewReader(in)); err == nil {
			t.Errorf("%.40q: no error", in)
		}
	}
}
