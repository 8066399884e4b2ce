package process

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tenfold-go/tenfold/internal/fdlink"
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

// The nodes are children of the reaper. When it is killed, they end with everything that they have started, their end
// says why, and the next start starts another reaper.
func TestReaperThatEndsIsReplaced(t *testing.T) {
	var log bytes.Buffer
	d := testDriver(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	watcher := fleettest.NewWatcher(t)
	s := fleettest.Program("shop-1", fleettest.Hold, watcher)
	s.Run = []string{"sh", "-c", `(setsid "$0" &) ; "$0" & "$0"`, os.Args[0]} // the kernel ends the first process only
	first := start(t, d, s)
	held := watcher.Await(t, fleettest.Hold, fleettest.Hold, fleettest.Hold)
	reaper := d.parent.(*remote).pid
	if err := syscall.Kill(reaper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	for _, p := range held {
		p.AwaitGone()
	}
	if want := fmt.Sprintf("killed because its parent, the reaper process %d, has ended", reaper); first.Err().Error() != want {
		t.Errorf("the node ended with %q, want %q", first.Err(), want)
	}
	if said := log.String(); strings.Count(said, "has ended unasked") != 1 || !strings.Contains(said, "nodes=1") {
		t.Errorf("the log is %q", said)
	}

	second := start(t, d, fleettest.Program("shop-2", fleettest.Work, watcher))
	watcher.Await(t, fleettest.Work)
	if now := d.parent.(*remote).pid; now == reaper || parentOf(t, second.PID()) != now {
		t.Errorf("the parent of the next node is process %d, the reaper is %d", parentOf(t, second.PID()), now)
	}
	if err := second.Stop(t.Context()); err != nil || second.Err().Error() != "exit status 0" {
		t.Errorf("the next node ended with %v, %v", second.Err(), err)
	}
}

// parentOf returns the parent of a process.
func parentOf(t *testing.T, pid int) int {
	t.Helper()
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.pid == pid {
			return p.parent
		}
	}
	return 0
}

// A program of a node that goes into the background and clears its environment is a child of the reaper then. It leaves
// no zombie.
func TestReaperCollectsOrphans(t *testing.T) {
	d := testDriver(t, Options{})
	watcher := fleettest.NewWatcher(t)
	s := fleettest.Program("shop-1", fleettest.Work, watcher)
	s.Run = []string{"sh", "-c", `(env -u TENFOLD_FLEET setsid sleep 0.1 &) ; exec "$0"`, os.Args[0]}
	start(t, d, s)
	watcher.Await(t, fleettest.Work)
	reaper := d.parent.(*remote).pid
	var sleeper int
	for sleeper == 0 {
		all, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.parent == reaper && p.dead {
				sleeper = p.pid // ended, and not collected yet
			}
		}
	}
	for {
		if syscall.Kill(sleeper, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestReaperRefusesOtherInput(t *testing.T) {
	frame := func(text string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text }
	for _, in := range []string{"", "\n", "short\n", frame("{}"), frame("no JSON"), frame(`{"verb":"fleet","tag":"short"}`),
		frame(`{"verb":"fleet","tag":"a,tag,with,commas,in"}`), frame(`{"verb":"start","tag":"a-tag-that-no-process-has"}`),
		strings.Repeat("\xff", 1<<10)} {
		ours, theirs, err := fdlink.Pair()
		if err != nil {
			t.Fatal(err)
		}
		reaper := exec.Command(os.Args[0], "reaper")
		reaper.Stdin = theirs
		if err := reaper.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		io.WriteString(ours, in)
		ours.Close()
		if reaper.Wait() == nil {
			t.Errorf("%.40q: no error", in)
		}
	}
	reaper := exec.Command(os.Args[0], "reaper")
	reaper.Stdin = strings.NewReader("no socket")
	if reaper.Run() == nil {
		t.Error("the reaper works without a socket")
	}
}

// What the reaper does not know is ignored: a tenfold after an upgrade may be newer than its reaper.
func TestReaperIgnoresUnknownMessages(t *testing.T) {
	d := testDriver(t, Options{})
	first := start(t, d, shell("shop-1", "exec sleep 1000"))
	r := d.parent.(*remote)
	file, _ := os.Open(os.DevNull)
	defer file.Close()
	for _, m := range []message{{Verb: "hello from the future"}, {Verb: verbStart, Number: 99}, {Verb: verbStop, ID: "no-such-node"}} {
		if err := r.link.Send(m, file); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Stop(t.Context()); err != nil || r.closed() {
		t.Errorf("stop: %v, the reaper has ended: %v", err, r.closed())
	}
}
