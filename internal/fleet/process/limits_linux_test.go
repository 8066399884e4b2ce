package process

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

func TestNiceOfWeight(t *testing.T) {
	for weight, want := range map[int]int{1: 19, 10: 10, 50: 3, 80: 1, 99: 0, 100: 0, 125: -1, 1000: -10, 10_000: -20} {
		if got := niceOf(weight); got != want {
			t.Errorf("weight %d: nice %d, want %d", weight, got, want)
		}
	}
}

func TestPssOfRollup(t *testing.T) {
	for text, want := range map[string]int64{
		"00400000-7ffd [rollup]\nRss:  100 kB\nPss:   40 kB\nPss_Anon: 7 kB\n": 40 << 10,
		"Rss:  100 kB\n": -1,
		"Pss: much\n":    -1,
		"Pss: x kB\n":    -1,
		"":               -1,
	} {
		got, ok := parseRollup([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// said is what a node wrote until its end.
func said(t *testing.T, d *Driver, s fleet.Spec) string {
	t.Helper()
	i := start(t, d, s)
	select {
	case <-i.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the node does not end")
	}
	exit := (*fleet.ExitError)(nil)
	if !errors.As(i.Err(), &exit) || exit.Reason != "exit status 0" {
		t.Errorf("the node ended with %v", i.Err())
	}
	return strings.Join(exit.Output, "\n")
}

func TestOpenFilesOfANode(t *testing.T) {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	d := testDriver(t, Options{})
	s := shell("n-1", "ulimit -Sn; ulimit -Hn; echo $0")
	s.Limits.OpenFiles = 64
	if got := said(t, d, s); got != "64\n64\nsh" {
		t.Errorf("got %q", got)
	}
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// More open files than the kernel allows: the nodes get the highest number, and the log has one record.
func TestLimitThatTheMachineRefusesIsSaidOnce(t *testing.T) {
	var log syncBuffer
	d := testDriver(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, id := range []string{"n-1", "n-2"} {
		s := shell(id, "ulimit -n")
		s.Limits.OpenFiles = 1 << 30
		if got := said(t, d, s); got == "" || len(got) > 9 {
			t.Errorf("the node has %q open files", got)
		}
	}
	if n := strings.Count(log.String(), "open_files 1073741824: "); n != 1 {
		t.Errorf("the log has %d records:\n%s", n, log.String())
	}
}

func TestCPUWeightOfANode(t *testing.T) {
	d := testDriver(t, Options{})
	s := fleet.Spec{ID: "n-1", Run: []string{"nice"}}
	s.Limits.CPUWeight = 50
	if got := said(t, d, s); got != "3" {
		t.Errorf("the nice value is %q, want 3", got)
	}
}

func TestUserOfANode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start programs as another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("this machine has no user nobody")
	}
	d := testDriver(t, Options{})
	for _, name := range []string{"nobody", nobody.Uid} {
		s := fleet.Spec{ID: "n-1", Run: []string{"/bin/sh", "-c", "id -un; id -gn; echo $HOME $USER; ulimit -n; cat /etc/shadow 2>/dev/null || echo refused"}}
		s.Limits = fleet.Limits{User: name, OpenFiles: 99}
		group, err := user.LookupGroupId(nobody.Gid)
		if err != nil {
			t.Fatal(err)
		}
		want := "nobody\n" + group.Name + "\n" + nobody.HomeDir + " nobody\n99\nrefused"
		if got := said(t, d, s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The nodes of a user end with tenfold and with Stop, as other nodes do.
func TestNodeOfAUserEnds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start programs as another user")
	}
	d := testDriver(t, Options{})
	s := fleet.Spec{ID: "n-1", Run: []string{"/bin/sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"}}
	s.Limits.User = "nobody"
	i := start(t, d, s)
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if groupAlive(i.PID()) {
		t.Error("the group of the node is left")
	}
}

func TestUnknownUserIsNotRunnable(t *testing.T) {
	d := testDriver(t, Options{})
	s := shell("n-1", "true")
	s.Limits.User = "no-such-user"
	_, err := d.Start(t.Context(), s)
	if !errors.Is(err, fleet.ErrNotRunnable) || !strings.Contains(err.Error(), `run as user "no-such-user": this machine has no such user`) {
		t.Errorf("got %v", err)
	}
	if CheckUser("") != nil {
		t.Error("no user is refused")
	}
}

func TestProgramThatALimitedNodeCannotRun(t *testing.T) {
	d := testDriver(t, Options{})
	s := fleet.Spec{ID: "n-1", Run: []string{"no-such-program"}}
	s.Limits.OpenFiles = 64
	if _, err := d.Start(t.Context(), s); !errors.Is(err, fleet.ErrNotRunnable) {
		t.Errorf("got %v", err)
	}
}

// Two processes of one group use more memory than its limit together.
func TestMemoryOfANodeIsThatOfItsGroup(t *testing.T) {
	d := testDriver(t, Options{})
	const use = `x=$(head -c 12000000 /dev/zero | tr '\0' x); echo up; sleep 600; echo $x`
	i := start(t, d, shell("n-1", "("+use+") & "+use))
	w := i.(interface{ Exceeds(int64) <-chan struct{} })
	within, above := w.Exceeds(1<<30), start(t, d, shell("n-2", "("+use+") & "+use)).(interface{ Exceeds(int64) <-chan struct{} }).Exceeds(16<<20)
	select {
	case <-above:
	case <-time.After(30 * time.Second):
		t.Fatal("the node above its limit was not found")
	}
	select {
	case <-within:
		t.Error("a node within its limit was found")
	default:
	}
}
