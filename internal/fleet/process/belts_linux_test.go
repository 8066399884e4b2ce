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

// startDoomed starts a doomed tenfold and waits until it and all its nodes are there.
func startDoomed(t *testing.T, belts string, nodes int) (tenfold *exec.Cmd, keeper int, held []*fleettest.Process) {
	t.Helper()
	tether := fleettest.NewTether(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), doomedVariable+"="+belts), fleettest.Env(fleettest.Hold, tether)...)
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
		held = append(held, tether.Await(t, fleettest.Hold)...)
	}
	if _, err := fmt.Fscan(bufio.NewReader(out), &keeper); err != nil {
		t.Fatal(err)
	}
	return cmd, keeper, held
}

// awaitEnd waits until a process that is not ours ends.
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

// The case that everything here is for: tenfold gets no chance to do anything, and its nodes, what they started, what
// left their group, their session, their parent or their mark, and the keeper itself, are gone.
func TestNothingIsLeftWhenTenfoldIsKilled(t *testing.T) {
	tenfold, keeper, held := startDoomed(t, "both", 9)
	tenfold.Process.Signal(syscall.SIGKILL)
	for _, p := range held {
		p.AwaitGone()
	}
	awaitEnd(t, keeper)
}

func TestTheKernelAloneEndsTheNode(t *testing.T) {
	tenfold, _, held := startDoomed(t, "kernel", 1)
	tenfold.Process.Signal(syscall.SIGKILL)
	held[0].AwaitGone()
}

func TestTheKeeperIgnoresTheTerminal(t *testing.T) {
	tenfold, keeper, held := startDoomed(t, "both", 9)
	for ignored := ""; !strings.HasSuffix(ignored, "7"); { // HUP, INT, QUIT: it has begun
		ignored = statusField(t, keeper, "SigIgn")
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if err := syscall.Kill(keeper, s); err != nil {
			t.Fatal(err)
		}
	}
	if session, err := unix.Getsid(keeper); session != keeper || err != nil {
		t.Errorf("the keeper %d is in session %d (%v), want its own", keeper, session, err)
	}
	tenfold.Process.Signal(syscall.SIGKILL)
	for _, p := range held {
		p.AwaitGone()
	}
	awaitEnd(t, keeper)
}

func TestANewKeeperTakesOver(t *testing.T) {
	for name, takeOver := range map[string]func(t *testing.T, d *Driver, tether *fleettest.Tether){
		"at once when it had worked": func(t *testing.T, d *Driver, tether *fleettest.Tether) {
			d.replaceKeeper(keeperLife)
		},
		"with the next node when it had not": func(t *testing.T, d *Driver, tether *fleettest.Tether) {
			d.replaceKeeper(keeperLife - 1)
			start(t, d, program("shop-2", fleettest.Work, tether))
			tether.Await(t, fleettest.Work)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := testDriver(t, Options{})
			tether := fleettest.NewTether(t)
			start(t, d, program("shop-1", fleettest.Hold, tether))
			held := tether.Await(t, fleettest.Hold)[0]
			first := d.keeper
			if err := syscall.Kill(first.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-first.gone
			takeOver(t, d, tether)
			d.mu.Lock()
			second := d.keeper
			d.mu.Unlock()
			if err := second.close(); err != nil { // as if tenfold were gone
				t.Error(err)
			}
			held.AwaitGone() // started before the second keeper was
		})
	}
}

// A process that shows a title in ps may have overwritten its environment: only its group is known.
func TestTheKeeperKillsTheGroupsItWasToldOf(t *testing.T) {
	tether := fleettest.NewTether(t)
	var groups []int
	for range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fleettest.Env(fleettest.Hold, tether)...)
		cmd.SysProcAttr = attributes()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		groups = append(groups, cmd.Process.Pid)
	}
	held := tether.Await(t, fleettest.Hold, fleettest.Hold)
	keeper := exec.Command(os.Args[0], "keeper")
	keeper.Stdin = strings.NewReader(fmt.Sprintf("a-mark-that-nobody-carries\n+%d\n+%d\n-%d\n", groups[0], groups[1], groups[1]))
	if err := keeper.Run(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(groups[1], 0); err != nil {
		t.Errorf("the group that had ended was killed again: %v", err)
	}
	syscall.Kill(groups[1], syscall.SIGKILL)
	held[0].AwaitGone()
	held[1].AwaitGone()
}

func TestTheKeeperRefusesWhatIsNotForIt(t *testing.T) {
	for _, in := range []string{"", "\n", "short\n", "a,mark,with,commas,in\n", strings.Repeat("x", 1<<20),
		"a-mark-that-nobody-carries\nhello\n", "a-mark-that-nobody-carries\n0\n"} {
		if err := Keeper(strings.NewReader(in)); err == nil {
			t.Errorf("%.40q: no error", in)
		}
	}
}
