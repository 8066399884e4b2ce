// Package fleettest is the suite that every driver of the fleet passes.
package fleettest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// Run checks a driver against the contract of [fleet.Driver] and [fleet.Instance]. newDriver makes a driver that ends
// with the test. The package's TestMain is [Main].
func Run(t *testing.T, newDriver func(t *testing.T) fleet.Driver) {
	for _, c := range []struct {
		name string
		test func(*testing.T, fleet.Driver)
	}{
		{"a node serves on its address until it is stopped", testServe},
		{"a soft stop lets a request finish", testSoftStop},
		{"a hard stop follows when the context ends", testHardStop},
		{"a crash is reported with the last output", testCrash},
		{"children go with a node that is stopped", testChildren},
		{"a worker has no address", testWorker},
		{"stopping is for everyone and for ever", testStopAgain},
		{"nodes start side by side", testManyStarts},
		{"a missing command is an error", testMissingCommand},
		{"a cancelled start leaves nothing", testCancelledStart},
		{"the context of the start is not the node's life", testStartContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newDriver(t)) })
	}
}

func spec(id, mode string, tether *Tether) fleet.Spec {
	return fleet.Spec{
		ID: id, Run: []string{os.Args[0]}, Env: append(Env(mode, tether), "TENFOLD_NODE="+id),
		Serves: mode != Work && mode != Crash,
	}
}

// start starts a node that is stopped at the end of the test at the latest.
func start(t *testing.T, d fleet.Driver, s fleet.Spec) fleet.Instance {
	t.Helper()
	i, err := d.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(t, i) })
	if err := i.Err(); err != nil {
		t.Fatalf("Err is %v while the node runs, want nil", err)
	}
	return i
}

func stopNow(t testing.TB, i fleet.Instance) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := i.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, i fleet.Instance, path string) *http.Response {
	t.Helper()
	r, err := http.Get("http://" + i.Address() + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r
}

func ended(t *testing.T, i fleet.Instance) {
	t.Helper()
	select {
	case <-i.Done():
	default:
		t.Error("Done is open though the node is gone")
	}
	if i.Err() == nil {
		t.Error("Err is nil though the node is gone")
	}
}

func testServe(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	i := start(t, d, spec("shop-1", Serve, tether))
	p := tether.Await(t, Serve)[0]
	p.Expect(t, "listening")
	body, err := io.ReadAll(get(t, i, "/").Body)
	if string(body) != "shop-1" || err != nil {
		t.Errorf("the node answers %q (%v), want its id", body, err)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended(t, i)
	p.AwaitGone()
}

func testSoftStop(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	i := start(t, d, spec("shop-1", Serve, tether))
	tether.Await(t, Serve)[0].Expect(t, "listening")
	held := bufio.NewReader(get(t, i, "/hold").Body)
	if line, err := held.ReadString('\n'); line != "held\n" {
		t.Fatalf("the node answers %q (%v)", line, err)
	}
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if line, err := held.ReadString('\n'); line != "finished\n" {
		t.Errorf("the request got %q (%v) when the node was stopped, want its end", line, err)
	}
}

func testHardStop(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	i := start(t, d, spec("shop-1", Stubborn, tether))
	p := tether.Await(t, Stubborn)[0]
	p.Expect(t, "listening")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error)
	go func() { stopped <- i.Stop(ctx) }()
	p.Expect(t, "term")
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned %v before its context ended, and the node ignores it", err)
	default:
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	ended(t, i)
	p.AwaitGone()
}

func testCrash(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	i := start(t, d, spec("shop-1", Crash, tether))
	p := tether.Await(t, Crash, Hold)
	p[0].Tell("go on")
	<-i.Done()
	ended(t, i)
	p[1].AwaitGone()
	var exit *fleet.ExitError
	if !errors.As(i.Err(), &exit) {
		t.Fatalf("Err is %#v, want an *ExitError", i.Err())
	}
	if !slices.Equal(exit.Output, []string{"one", "two", "three"}) {
		t.Errorf("output is %q", exit.Output)
	}
}

func testChildren(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	i := start(t, d, spec("shop-1", Parent, tether))
	p := tether.Await(t, Parent, Hold)
	p[0].Expect(t, "listening")
	stopNow(t, i)
	p[0].AwaitGone()
	p[1].AwaitGone()
}

func testWorker(t *testing.T, d fleet.Driver) {
	t.Setenv("PORT", "1") // the machine's own is none of its business
	tether := NewTether(t)
	i := start(t, d, spec("mail-1", Work, tether))
	if a := i.Address(); a != "" {
		t.Errorf("address of a worker is %q", a)
	}
	tether.Await(t, Work)[0].Expect(t, "PORT=")
	if err := i.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended(t, i)
}

func testStopAgain(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	i := start(t, d, spec("shop-1", Serve, tether))
	tether.Await(t, Serve)[0].Expect(t, "listening")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := i.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			ended(t, i)
		})
	}
	all.Wait()
	stopNow(t, i)
}

func testManyStarts(t *testing.T, d fleet.Driver) {
	const n = 8
	tether := NewTether(t)
	var mu sync.Mutex
	addresses := map[string]bool{}
	var all sync.WaitGroup
	for k := range n {
		all.Go(func() {
			i, err := d.Start(t.Context(), spec(fmt.Sprintf("shop-%d", k+1), Serve, tether))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { stopNow(t, i) })
			mu.Lock()
			defer mu.Unlock()
			addresses[i.Address()] = true
		})
	}
	all.Wait()
	for _, p := range tether.Await(t, slices.Repeat([]string{Serve}, n)...) {
		p.Expect(t, "listening")
	}
	if len(addresses) != n {
		t.Errorf("%d nodes have the addresses %v", n, addresses)
	}
}

func testMissingCommand(t *testing.T, d fleet.Driver) {
	for _, run := range [][]string{nil, {"tenfold-no-such-command"}, {"./tenfold-no-such-file"}, {"/"}} {
		i, err := d.Start(t.Context(), fleet.Spec{ID: "shop-1", Run: run})
		if !errors.Is(err, fleet.ErrNotRunnable) || i != nil {
			t.Errorf("start of %q: %v, %v; want ErrNotRunnable", run, i, err)
		}
	}
}

func testCancelledStart(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if i, err := d.Start(ctx, spec("shop-1", Serve, tether)); !errors.Is(err, context.Canceled) || i != nil {
		t.Errorf("start with a cancelled context: %v, %v", i, err)
	}
	// Cancelled at any moment, Start returns either an error or a node, and in the first case there is none.
	started := 0
	for k := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		i, err := d.Start(ctx, spec(fmt.Sprintf("race-%d", k), Hold, tether))
		if err == nil {
			started++
			tether.Await(t, Hold)
			stopNow(t, i)
		}
		cancel()
	}
	start(t, d, spec("shop-2", Serve, tether))
	tether.Await(t, Serve) // fails when one of the others came
	t.Logf("%d of 20 started before they were cancelled", started)
}

func testStartContext(t *testing.T, d fleet.Driver) {
	tether := NewTether(t)
	ctx, cancel := context.WithCancel(t.Context())
	i, err := d.Start(ctx, spec("shop-1", Serve, tether))
	if err != nil {
		t.Fatal(err)
	}
	defer stopNow(t, i)
	tether.Await(t, Serve)[0].Expect(t, "listening")
	cancel()
	get(t, i, "/")
}
