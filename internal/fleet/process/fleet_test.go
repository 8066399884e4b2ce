package process

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/fleettest"
	"github.com/tenfold-go/tenfold/internal/node"
)

// prober is a minimal Traffic: it sends requests to a node until the node answers. It has no requests to drain.
type prober struct {
	nodes func(service string) []node.Node
}

func (p *prober) AwaitReady(ctx context.Context, service, id string) error {
	for ctx.Err() == nil {
		if n, ok := (node.Set{Nodes: p.nodes(service)}).Find(id); ok {
			if r, err := http.Get("http://" + n.Address); err == nil {
				r.Body.Close()
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}

func (p *prober) Drain(context.Context, string, string) error { return nil }

func newFleet(t *testing.T, s config.Service) *fleet.Fleet {
	t.Helper()
	p := &prober{}
	f, err := fleet.New([]fleet.Service{{Service: s, Driver: testDriver(t, Options{})}}, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.nodes = f.Nodes
	return f
}

// await reads sets until wanted accepts one.
func await(t *testing.T, sets <-chan node.Set, wanted func(node.Set) bool) node.Set {
	t.Helper()
	for set := range sets {
		if wanted(set) {
			return set
		}
	}
	t.Fatal("the channel was closed")
	return node.Set{}
}

func TestFleetOfProcessesReplacesAKilledNode(t *testing.T) {
	watcher := fleettest.NewWatcher(t)
	s := config.Service{Name: "shop", Run: []string{os.Args[0]}, MinNodes: 3, MaxNodes: 3, Drain: time.Minute}
	s.Env = map[string]string{}
	for _, kv := range fleettest.Program("", fleettest.Serve, watcher).Env {
		key, value, _ := strings.Cut(kv, "=")
		s.Env[key] = value
	}
	f := newFleet(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	processes := watcher.Await(t, fleettest.Serve, fleettest.Serve, fleettest.Serve)
	sets := f.Watch(t.Context())

	set := await(t, sets, func(set node.Set) bool { return len(set.Nodes) == 3 })
	begun := time.Now()
	if err := syscall.Kill(set.Nodes[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, sets, func(set node.Set) bool {
		_, old := set.Find("shop-1")
		_, replaced := set.Find("shop-4")
		return !old && replaced
	})
	t.Logf("a killed node was replaced in the set after %v", time.Since(begun))
	processes = append(processes, watcher.Await(t, fleettest.Serve)...)

	if err := f.Restart(t.Context(), "shop"); err != nil {
		t.Error(err)
	}
	processes = append(processes, watcher.Await(t, fleettest.Serve, fleettest.Serve, fleettest.Serve)...)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, p := range processes {
		p.AwaitGone()
	}
}

func TestCommandThatEndsAtOnceIsAStartError(t *testing.T) {
	script := "echo an error; exit 7"
	for want, run := range map[string][]string{
		`sh -c '` + script + `' ended 3 times before it was ready: exit status 7`: {"sh", "-c", script},
		`exec: "tenfold-no-such-command": executable file not found in $PATH`:     {"tenfold-no-such-command"},
	} {
		f := newFleet(t, config.Service{Name: "shop", Run: run, MinNodes: 2, MaxNodes: 2})
		err := f.Run(t.Context())
		var start *fleet.StartError
		if !errors.As(err, &start) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("Run returned %v, want %q", err, want)
			continue
		}
		t.Logf("tenfold: %v\nhint: %s", err, start.Hint())
	}
}
