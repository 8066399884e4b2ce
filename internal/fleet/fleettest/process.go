package fleettest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// RunProcess checks a driver whose nodes are processes of this machine: signals, children, the environment and what is
// left after a node has ended. newDriver makes a driver that is closed at the end of the test. TestMain is [Main].
func RunProcess(t *testing.T, newDriver func(*testing.T) fleet.Driver) {
	for _, c := range []struct {
		name string
		test func(*testing.T, fleet.Driver)
	}{
		{"the process ends with its node", testProcessEnds},
		{"a hard stop kills a process that ignores SIGTERM", testKill},
		{"children of a stopped node end", testChildren},
		{"children of a crashed node end", testChildrenOfCrash},
		{"a worker gets no PORT", testWorkerPort},
		{"Err is nil while the node runs", testErrWhileRunning},
		{"a missing file or a directory is not runnable", testMissingFile},
		{"a cancelled start leaves no process", testCancelledProcess},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newDriver(t)) })
	}
}

func testProcessEnds(t *testing.T, d fleet.Driver) {
	watcher := NewWatcher(t)
	i := start(t, d, Program("shop-1", Serve, watcher))
	p := watcher.Await(t, Serve)[0]
	p.Expect(t, "listening")
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.AwaitGone()
}

func testKill(t *testing.T, d fleet.Driver) {
	watcher := NewWatcher(t)
	i := start(t, d, Program("shop-1", Stubborn, watcher))
	p := watcher.Await(t, Stubborn)[0]
	p.Expect(t, "listening")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error)
	go func() { stopped <- i.Stop(ctx) }()
	p.Expect(t, "term")
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned %v before its context ended, but the process ignores SIGTERM", err)
	default:
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	p.AwaitGone()
}

func testChildren(t *testing.T, d fleet.Driver) {
	watcher := NewWatcher(t)
	i := start(t, d, Program("shop-1", Parent, watcher))
	p := watcher.Await(t, Parent, Hold)
	p[0].Expect(t, "listening")
	stopNow(t, i)
	p[0].AwaitGone()
	p[1].AwaitGone()
}

func testChildrenOfCrash(t *testing.T, d fleet.Driver) {
	watcher := NewWatcher(t)
	i := start(t, d, Program("shop-1", CrashParent, watcher))
	p := watcher.Await(t, CrashParent, Hold)
	p[0].Tell("crash")
	<-i.Done()
	wantEnded(t, i)
	p[1].AwaitGone()
}

func testWorkerPort(t *testing.T, d fleet.Driver) {
	t.Setenv("PORT", "1") // a PORT in the environment of tenfold is not for its nodes
	watcher := NewWatcher(t)
	i := start(t, d, Program("mail-1", Work, watcher))
	watcher.Await(t, Work)[0].Expect(t, "PORT=")
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func testErrWhileRunning(t *testing.T, d fleet.Driver) {
	watcher := NewWatcher(t)
	i := start(t, d, Program("mail-1", Work, watcher))
	watcher.Await(t, Work)
	if err := i.Err(); err != nil {
		t.Errorf("Err is %v while the node runs", err)
	}
}

func testMissingFile(t *testing.T, d fleet.Driver) {
	for _, run := range [][]string{{"./tenfold-no-such-file"}, {"/"}} {
		i, err := d.Start(t.Context(), fleet.Spec{ID: "shop-1", Run: run})
		if !errors.Is(err, fleet.ErrNotRunnable) || i != nil {
			t.Errorf("start of %q: %v, %v; want ErrNotRunnable", run, i, err)
		}
	}
}

// testCancelledProcess cancels Start at any moment. Start returns either an error or a node. With an error, no process
// runs.
func testCancelledProcess(t *testing.T, d fleet.Driver) {
	watcher := NewWatcher(t)
	started := 0
	for k := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		i, err := d.Start(ctx, Program(fmt.Sprintf("race-%d", k), Hold, watcher))
		if err == nil {
			started++
			watcher.Await(t, Hold)
			stopNow(t, i)
		}
		cancel()
	}
	start(t, d, Program("shop-2", Serve, watcher))
	watcher.Await(t, Serve) // fails when it finds a process of a cancelled start
	t.Logf("%d of 20 started before they were cancelled", started)
}
