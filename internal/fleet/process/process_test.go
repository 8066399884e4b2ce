package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/fleettest"
	"github.com/tenfold-go/tenfold/internal/output"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "reaper" {
		if err := RunReaper(os.Stdin); err != nil {
			syscall.Exit(1)
		}
		syscall.Exit(0) // os.Exit takes a second longer under the race detector
	}
	if len(os.Args) > 1 && os.Args[1] == "limit" {
		if err := RunLimited(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			syscall.Exit(1)
		}
		syscall.Exit(0)
	}
	if safeguards := os.Getenv(killedVariable); safeguards != "" {
		os.Unsetenv(killedVariable) // its nodes must not start nodes
		runUntilKilled(safeguards)
	}
	fleettest.Main(m)
}

func testDriver(t testing.TB, o Options) *Driver {
	t.Helper()
	o.Reaper, o.Limiter = []string{os.Args[0], "reaper"}, []string{os.Args[0], "limit"}
	d, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newDriver(t *testing.T) fleet.Driver { return testDriver(t, Options{}) }

func TestDriverContract(t *testing.T) {
	fleettest.RunContract(t, newDriver, func(id, mode string) fleet.Spec { return fleettest.Program(id, mode, nil) })
}

func TestDriverOfProcesses(t *testing.T) { fleettest.RunProcess(t, newDriver) }

func shell(id, script string) fleet.Spec {
	return fleet.Spec{ID: id, Run: []string{"sh", "-c", script}}
}

func start(t testing.TB, d *Driver, s fleet.Spec) fleet.Instance {
	t.Helper()
	i, err := d.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestExitErrorSaysHowANodeEnded(t *testing.T) {
	d := testDriver(t, Options{})
	for script, want := range map[string]string{
		"exit 0":        "exit status 0",
		"exit 7":        "exit status 7",
		"kill -KILL $$": "killed by SIGKILL",
		"kill -SEGV $$": "killed by SIGSEGV",
	} {
		i := start(t, d, shell("n-1", "ulimit -c 0; "+script))
		<-i.Done()
		if got := i.Err().Error(); got != want {
			t.Errorf("%q ended with %q, want %q", script, got, want)
		}
	}
}

// Each output keeps the order of its lines. Between the two, it is not known which line was written first.
func TestBothOutputsAreOfTheNode(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}
	d := testDriver(t, Options{Output: func(node, stream string, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		got[stream] += fmt.Sprintf("%s | %s\n", node, line)
	}})
	i := start(t, d, shell("shop-1", `echo one; echo two >&2; printf 'no end'`))
	<-i.Done()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"stdout": "shop-1 | one\nshop-1 | no end\n", "stderr": "shop-1 | two\n"}
	if !maps.Equal(got, want) {
		t.Errorf("outputs are %q, want %q", got, want)
	}
}

func TestNodeContinuesWhenItsOutputIsNotRead(t *testing.T) {
	unread, w := io.Pipe()
	defer unread.Close()
	to := output.Open("test", w, nil).Patient(100 * time.Millisecond)
	d := testDriver(t, Options{Output: func(_, _ string, line []byte) { fmt.Fprintf(to, "%s\n", line) }})
	i := start(t, d, shell("shop-1", `yes 'a line that is not read' | head -200000; echo end >&2; exit 4`))
	<-i.Done()
	if got := i.Err().Error(); got != "exit status 4" {
		t.Errorf("ended with %s", got)
	}
}

func TestNodeStoppedBySIGSTOPCanEnd(t *testing.T) {
	d := testDriver(t, Options{})
	watcher := fleettest.NewWatcher(t)
	i := start(t, d, fleettest.Program("mail-1", fleettest.Work, watcher))
	watcher.Await(t, fleettest.Work)[0].Expect(t, "PORT=")
	if err := syscall.Kill(i.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := i.Err().Error(); got != "exit status 0" {
		t.Errorf("ended with %s, want that it ended by SIGTERM", got)
	}
}

func TestNodeOutlivesTheThreadThatCalledStart(t *testing.T) {
	d := testDriver(t, Options{})
	watcher := fleettest.NewWatcher(t)
	started := make(chan fleet.Instance)
	go func() {
		runtime.LockOSThread() // so that the thread ends with this goroutine
		i, err := d.Start(t.Context(), fleettest.Program("mail-1", fleettest.Work, watcher))
		if err != nil {
			t.Error(err)
		}
		started <- i
	}()
	i := <-started
	watcher.Await(t, fleettest.Work)[0].Expect(t, "PORT=")
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := i.Err().Error(); got != "exit status 0" {
		t.Errorf("ended with %s, want that it ended by SIGTERM", got)
	}
}

func TestChildrenOfACrashedNodeAreKilled(t *testing.T) {
	d := testDriver(t, Options{})
	watcher := fleettest.NewWatcher(t)
	s := fleettest.Program("shop-1", fleettest.Hold, watcher)
	s.Run = []string{"sh", "-c", `"$0" & "$0" & wait`, os.Args[0]} // like npm: the service is not the first process
	i := start(t, d, s)
	children := watcher.Await(t, fleettest.Hold, fleettest.Hold)
	if err := syscall.Kill(i.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-i.Done()
	for _, p := range children {
		p.AwaitGone()
	}
}

func TestCloseEndsAllNodes(t *testing.T) {
	d := testDriver(t, Options{})
	watcher := fleettest.NewWatcher(t)
	i := start(t, d, fleettest.Program("shop-1", fleettest.Hold, watcher))
	p := watcher.Await(t, fleettest.Hold)[0]
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p.AwaitGone()
	<-i.Done()
	if _, err := d.Start(t.Context(), shell("shop-2", "true")); !errors.Is(err, errClosed) {
		t.Errorf("start after close: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestCloseWithoutAStart(t *testing.T) {
	d := testDriver(t, Options{})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Start(t.Context(), shell("shop-1", "true")); !errors.Is(err, errClosed) {
		t.Errorf("start after close: %v", err)
	}
}

func TestStartRefusesInvalidSpecs(t *testing.T) {
	d := testDriver(t, Options{})
	script := t.TempDir() + "/noexec"
	if err := os.WriteFile(script, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir() + "/garbage"
	if err := os.WriteFile(garbage, []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]fleet.Spec{
		"no id":                      {Run: []string{"true"}},
		"an id with separators":      {ID: "a,b/c", Run: []string{"true"}},
		"no such directory":          {ID: "a-1", Run: []string{"true"}, Dir: "/no/such/directory"},
		"a file as directory":        {ID: "a-1", Run: []string{"true"}, Dir: script},
		"not executable":             {ID: "a-1", Run: []string{script}},
		"not a program":              {ID: "a-1", Run: []string{garbage}},
		"a zero in an argument":      {ID: "a-1", Run: []string{"true", "a\x00b"}},
		"a command that is too long": {ID: "a-1", Run: []string{"true", strings.Repeat("x", 4<<20)}},
	} {
		if i, err := d.Start(t.Context(), s); !errors.Is(err, fleet.ErrNotRunnable) || i != nil {
			t.Errorf("%s: %v, %v; want ErrNotRunnable", name, i, err)
		}
	}
}

// A program such as redis-server, which is not a service and has its own port, is started in the same way.
func TestStartOfAProgramWithItsOwnPort(t *testing.T) {
	d := testDriver(t, Options{})
	watcher := fleettest.NewWatcher(t)
	s := fleettest.Program("store", fleettest.Serve, watcher)
	s.Serves = false
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	s.Env = append(s.Env, "HOST="+host, "PORT="+port)
	i := start(t, d, s)
	watcher.Await(t, fleettest.Serve)[0].Expect(t, "listening")
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Stop(now); err != nil {
		t.Fatal(err)
	}
}
