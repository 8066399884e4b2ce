package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/fleettest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		if err := Keeper(os.Stdin); err != nil {
			syscall.Exit(1)
		}
		syscall.Exit(0) // os.Exit takes a second longer under the race detector
	}
	if belts := os.Getenv(doomedVariable); belts != "" {
		os.Unsetenv(doomedVariable) // its nodes are the next generation
		doomed(belts)
	}
	fleettest.Main(m)
}

func testDriver(t testing.TB, o Options) *Driver {
	t.Helper()
	o.Keeper = []string{os.Args[0], "keeper"}
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

func TestDriver(t *testing.T) {
	fleettest.Run(t, func(t *testing.T) fleet.Driver { return testDriver(t, Options{}) })
}

func program(id, mode string, tether *fleettest.Tether) fleet.Spec {
	return fleet.Spec{ID: id, Run: []string{os.Args[0]}, Env: fleettest.Env(mode, tether)}
}

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

func TestTheEndOfANodeIsNamed(t *testing.T) {
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

func TestBothOutputsComeOutWithTheID(t *testing.T) {
	var out bytes.Buffer
	d := testDriver(t, Options{Output: &out})
	i := start(t, d, shell("shop-1", `echo one; echo two >&2; printf 'no end'`))
	<-i.Done()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "shop-1 | one\nshop-1 | two\nshop-1 | no end\n"; got != want {
		t.Errorf("output is %q, want %q", got, want)
	}
}

func TestANodeThatNobodyListensToGoesOn(t *testing.T) {
	unread, w := io.Pipe()
	defer unread.Close() // before the driver closes
	d := testDriver(t, Options{Output: w})
	i := start(t, d, shell("shop-1", `yes 'a line that nobody reads' | head -200000; echo end >&2; exit 4`))
	<-i.Done()
	if got := i.Err().Error(); got != "exit status 4" {
		t.Errorf("ended with %s", got)
	}
	unread.Close()
}

func TestAStoppedNodeCanEnd(t *testing.T) {
	d := testDriver(t, Options{})
	tether := fleettest.NewTether(t)
	i := start(t, d, program("mail-1", fleettest.Work, tether))
	tether.Await(t, fleettest.Work)[0].Expect(t, "PORT=")
	if err := syscall.Kill(i.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := i.Err().Error(); got != "exit status 0" {
		t.Errorf("ended with %s, want its own end", got)
	}
}

func TestANodeOutlivesTheThreadThatAskedForIt(t *testing.T) {
	d := testDriver(t, Options{})
	tether := fleettest.NewTether(t)
	started := make(chan fleet.Instance)
	go func() {
		runtime.LockOSThread() // so that the thread ends with this goroutine
		i, err := d.Start(t.Context(), program("mail-1", fleettest.Work, tether))
		if err != nil {
			t.Error(err)
		}
		started <- i
	}()
	i := <-started
	tether.Await(t, fleettest.Work)[0].Expect(t, "PORT=")
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := i.Err().Error(); got != "exit status 0" {
		t.Errorf("ended with %s, want its own end", got)
	}
}

func TestWhatACrashedNodeStartedGoesWithIt(t *testing.T) {
	d := testDriver(t, Options{})
	tether := fleettest.NewTether(t)
	s := program("shop-1", fleettest.Hold, tether)
	s.Run = []string{"sh", "-c", `"$0" & "$0" & wait`, os.Args[0]} // as npm does it: the service is not the first process
	i := start(t, d, s)
	children := tether.Await(t, fleettest.Hold, fleettest.Hold)
	if err := syscall.Kill(i.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-i.Done()
	for _, p := range children {
		p.AwaitGone()
	}
}

func TestCloseEndsEverything(t *testing.T) {
	d := testDriver(t, Options{})
	tether := fleettest.NewTether(t)
	i := start(t, d, program("shop-1", fleettest.Hold, tether))
	p := tether.Await(t, fleettest.Hold)[0]
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

func TestADriverThatStartedNothingCloses(t *testing.T) {
	d := testDriver(t, Options{})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Start(t.Context(), shell("shop-1", "true")); !errors.Is(err, errClosed) {
		t.Errorf("start after close: %v", err)
	}
}

func TestBadSpecsAreRefused(t *testing.T) {
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
		"no id":              {Run: []string{"true"}},
		"an id that is two":  {ID: "a,b/c", Run: []string{"true"}},
		"no such directory":  {ID: "a-1", Run: []string{"true"}, Dir: "/no/such/directory"},
		"a file as one":      {ID: "a-1", Run: []string{"true"}, Dir: script},
		"not executable":     {ID: "a-1", Run: []string{script}},
		"not a program":      {ID: "a-1", Run: []string{garbage}},
		"a zero in the way":  {ID: "a-1", Run: []string{"true", "a\x00b"}},
		"an endless command": {ID: "a-1", Run: []string{"true", strings.Repeat("x", 4<<20)}},
	} {
		if i, err := d.Start(t.Context(), s); !errors.Is(err, fleet.ErrNotRunnable) || i != nil {
			t.Errorf("%s: %v, %v; want ErrNotRunnable", name, i, err)
		}
	}
}

// A rediss-like program that is not a service and chooses its own port is started the same way.
func TestAnyProgramCanBeStarted(t *testing.T) {
	d := testDriver(t, Options{})
	tether := fleettest.NewTether(t)
	s := program("store", fleettest.Serve, tether)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	s.Env = append(s.Env, "HOST="+host, "PORT="+port)
	i := start(t, d, s)
	tether.Await(t, fleettest.Serve)[0].Expect(t, "listening")
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Stop(now); err != nil {
		t.Fatal(err)
	}
}
