// Package fleettest has the suites that implementations of the fleet's interfaces must pass.
//
//	RunContract   every fleet.Driver
//	RunProcess    a driver whose nodes are processes of this machine
//	RunRemote     every fleet.Remote
//
// The nodes that the suites start are the test binary itself: see [Main].
package fleettest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// RunContract checks the contract of [fleet.Driver] and [fleet.Instance]. newDriver makes a driver that is closed at
// the end of the test. spec returns how the driver starts one of the programs [Serve], [Stubborn], [Crash] and [Work].
func RunContract(t *testing.T, newDriver func(*testing.T) fleet.Driver, spec func(id, program string) fleet.Spec) {
	for _, c := range []struct {
		name string
		test func(*contract)
	}{
		{"a node serves on its address until it is stopped", testServe},
		{"a soft stop lets a request finish", testSoftStop},
		{"a hard stop follows when the context ends", testHardStop},
		{"a crash is reported with the last output", testCrash},
		{"a worker has no address", testWorker},
		{"several callers may stop a node, also again", testStopAgain},
		{"several nodes start at the same time", testManyStarts},
		{"a missing command is not runnable", testMissingCommand},
		{"a start with a cancelled context fails", testCancelledStart},
		{"the end of the start's context does not end the node", testStartContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(&contract{t, newDriver(t), spec}) })
	}
}

// contract is one case of RunContract.
type contract struct {
	*testing.T
	driver fleet.Driver
	spec   func(id, program string) fleet.Spec
}

func testServe(c *contract) {
	i := c.start("shop-1", Serve)
	response := c.get(i, "/")
	if body, err := io.ReadAll(response.Body); string(body) != "shop-1" || err != nil {
		c.Errorf("the node answers %q (%v), want its id", body, err)
	}
	if err := i.Stop(c.Context()); err != nil {
		c.Fatal(err)
	}
	wantEnded(c.T, i)
	if conn, err := net.Dial("tcp", i.Address()); err == nil {
		conn.Close()
		c.Error("the address accepts connections after Stop has returned")
	}
}

func testSoftStop(c *contract) {
	i := c.start("shop-1", Serve)
	held := bufio.NewReader(c.get(i, "/hold").Body)
	if line, err := held.ReadString('\n'); line != "held\n" {
		c.Fatalf("the node answers %q (%v)", line, err)
	}
	if err := i.Stop(c.Context()); err != nil {
		c.Fatal(err)
	}
	if line, err := held.ReadString('\n'); line != "finished\n" {
		c.Errorf("the request got %q (%v) during the stop, want its end", line, err)
	}
}

func testHardStop(c *contract) {
	i := c.start("shop-1", Stubborn)
	c.get(i, "/")
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	stopped := make(chan error)
	go func() { stopped <- i.Stop(ctx) }()
	c.get(i, "/asked") // returns when the node was asked to end
	select {
	case err := <-stopped:
		c.Fatalf("Stop returned %v before its context ended, but the node still runs", err)
	default:
	}
	cancel()
	if err := <-stopped; err != nil {
		c.Fatal(err)
	}
	wantEnded(c.T, i)
}

func testCrash(c *contract) {
	i := c.start("shop-1", Crash)
	<-i.Done()
	wantEnded(c.T, i)
	var exit *fleet.ExitError
	if !errors.As(i.Err(), &exit) {
		c.Fatalf("Err is %#v, want an *ExitError", i.Err())
	}
	// The lines of one output keep their order: "three" is of the other one, and may come anywhere.
	first := slices.DeleteFunc(slices.Clone(exit.Output), func(line string) bool { return line == "three" })
	if len(exit.Output) != 3 || !slices.Equal(first, []string{"one", "two"}) {
		c.Errorf("output is %q", exit.Output)
	}
}

func testWorker(c *contract) {
	i := c.start("mail-1", Work)
	if a := i.Address(); a != "" {
		c.Errorf("the address of a worker is %q", a)
	}
	if err := i.Stop(c.Context()); err != nil {
		c.Fatal(err)
	}
	wantEnded(c.T, i)
}

func testStopAgain(c *contract) {
	i := c.start("shop-1", Serve)
	c.get(i, "/")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := i.Stop(c.Context()); err != nil {
				c.Error(err)
			}
			wantEnded(c.T, i)
		})
	}
	all.Wait()
	stopNow(c.T, i)
}

func testManyStarts(c *contract) {
	const n = 8
	var mu sync.Mutex
	addresses := map[string]bool{}
	var all sync.WaitGroup
	for k := range n {
		all.Go(func() {
			i, err := c.driver.Start(c.Context(), c.spec(fmt.Sprintf("shop-%d", k+1), Serve))
			if err != nil {
				c.Error(err)
				return
			}
			c.Cleanup(func() { stopNow(c.T, i) })
			if err := awaitServing(c.Context(), i); err != nil {
				c.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			addresses[i.Address()] = true
		})
	}
	all.Wait()
	if len(addresses) != n {
		c.Errorf("%d nodes have the addresses %v", n, addresses)
	}
}

func testMissingCommand(c *contract) {
	for _, run := range [][]string{nil, {"tenfold-no-such-command"}} {
		i, err := c.driver.Start(c.Context(), fleet.Spec{ID: "shop-1", Run: run})
		if !errors.Is(err, fleet.ErrNotRunnable) || i != nil {
			c.Errorf("start of %q: %v, %v; want ErrNotRunnable", run, i, err)
		}
	}
}

func testCancelledStart(c *contract) {
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	if i, err := c.driver.Start(ctx, c.spec("shop-1", Serve)); !errors.Is(err, context.Canceled) || i != nil {
		c.Errorf("start with a cancelled context: %v, %v", i, err)
	}
}

func testStartContext(c *contract) {
	ctx, cancel := context.WithCancel(c.Context())
	i, err := c.driver.Start(ctx, c.spec("shop-1", Serve))
	if err != nil {
		c.Fatal(err)
	}
	defer stopNow(c.T, i)
	c.get(i, "/")
	cancel()
	c.get(i, "/")
}

// start starts a node that is stopped at the end of the test.
func (c *contract) start(id, program string) fleet.Instance {
	c.Helper()
	return start(c.T, c.driver, c.spec(id, program))
}

// get sends a request to a node that serves, or is going to.
func (c *contract) get(i fleet.Instance, path string) *http.Response {
	c.Helper()
	if err := awaitServing(c.Context(), i); err != nil {
		c.Fatal(err)
	}
	r, err := http.Get("http://" + i.Address() + path)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { r.Body.Close() })
	return r
}

func start(t *testing.T, d fleet.Driver, s fleet.Spec) fleet.Instance {
	t.Helper()
	i, err := d.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(t, i) })
	return i
}

// stopNow ends a node at once.
func stopNow(t testing.TB, i fleet.Instance) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := i.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// awaitServing waits until a node accepts connections. It fails when the node ends before.
func awaitServing(ctx context.Context, i fleet.Instance) error {
	for {
		conn, err := net.Dial("tcp", i.Address())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-i.Done():
			return fmt.Errorf("the node ended before it served: %w", i.Err())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func wantEnded(t *testing.T, i fleet.Instance) {
	t.Helper()
	select {
	case <-i.Done():
	default:
		t.Error("Done is not closed, but the node has ended")
	}
	if i.Err() == nil {
		t.Error("Err is nil, but the node has ended")
	}
}
