package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/fleet/fleettest"
)

// lines collects the output of nodes.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) add(node, _ string, line []byte) {
	l.mu.Lock()
	fmt.Fprintf(&l.text, "%s | %s\n", node, line)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) await(text string) {
	for !strings.Contains(l.String(), text) {
		<-l.more
	}
}

// adopt makes the driver of a successor. What it is told travels as JSON, as between processes.
func adopt(t *testing.T, old *Driver, o Options) *Driver {
	t.Helper()
	h, socket, err := old.Offer()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var received Handover
	if err := json.Unmarshal(text, &received); err != nil {
		t.Fatal(err)
	}
	o.Reaper = []string{os.Args[0], "reaper"}
	d, err := Adopt(&o, received, socket)
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

func adopted(t *testing.T, d *Driver, id string) fleet.Instance {
	t.Helper()
	i, ok := d.Adopted(id)
	if !ok {
		t.Fatalf("node %s was not adopted", id)
	}
	return i
}

const chatter = `echo begun; while read -r _ < "$0"; do echo more; done; exit 7`

// fifo returns a named pipe. Each line that is written to it makes a chatter write a line.
func fifo(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/fifo"
	if err := mkfifo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNodesAndTheirOutputAreHandedOver(t *testing.T) {
	first, second := newLines(), newLines()
	old := testDriver(t, Options{Output: first.add})
	pipe := fifo(t)
	s := shell("shop-1", "")
	s.Run = []string{"sh", "-c", chatter, pipe}
	before := start(t, old, s)
	serving := start(t, old, fleettest.Program("shop-2", fleettest.Serve, nil))
	first.await("begun")

	d := adopt(t, old, Options{Output: second.add})
	node := adopted(t, d, "shop-1")
	if node.PID() != before.PID() || adopted(t, d, "shop-2").Address() != serving.Address() {
		t.Errorf("adopted process %d at %q, want %d and %q", node.PID(), adopted(t, d, "shop-2").Address(), before.PID(), serving.Address())
	}
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	if err := before.Stop(t.Context()); err != nil { // it has no effect now
		t.Error(err)
	}
	if _, err := old.Start(t.Context(), shell("shop-3", "true")); !errors.Is(err, errReleased) {
		t.Errorf("a start after the handover: %v", err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(w, "go")
	w.Close()
	second.await("shop-1 | more")
	if strings.Contains(first.String(), "more") || strings.Contains(second.String(), "begun") {
		t.Errorf("output before the handover %q, after it %q", first, second)
	}
	third := start(t, d, fleettest.Program("shop-3", fleettest.Work, nil))
	if err := third.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := node.Stop(t.Context()); err != nil || node.Err().Error() != "killed by SIGTERM" {
		t.Errorf("stop after the handover: %v, %v", err, node.Err())
	}
	select {
	case <-before.Done():
		t.Error("the predecessor reports the end of a node that it has released")
	default:
	}
}

// A second handover goes to the same reaper.
func TestNodesAreHandedOverAgainAndAgain(t *testing.T) {
	d := testDriver(t, Options{})
	pid := start(t, d, shell("shop-1", "exec sleep 1000")).PID()
	reaper := d.parent.(*remote).pid
	for range 20 {
		next := adopt(t, d, Options{})
		if err := d.Release(); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = next
		if now := adopted(t, d, "shop-1").PID(); now != pid || d.parent.(*remote).pid != reaper {
			t.Fatalf("the process is %d, want %d", now, pid)
		}
	}
}

// A node ends while it is handed over. Its end is reported to the successor, whether its predecessor has seen it or not.
func TestNodeThatEndsDuringTheHandover(t *testing.T) {
	old := testDriver(t, Options{})
	pipe := fifo(t)
	s := shell("shop-1", "")
	s.Run = []string{"sh", "-c", `read -r _ < "$0"; exit 7`, pipe}
	before := start(t, old, s)
	d := adopt(t, old, Options{})
	node := adopted(t, d, "shop-1")
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	<-before.Done() // the predecessor has seen it
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	<-node.Done()
	if node.Err().Error() != "exit status 7" {
		t.Errorf("ended with %v", node.Err())
	}
}

// The successor fails before it has the nodes: they run on, and another handover works.
func TestSuccessorThatFailsLeavesTheNodesAlone(t *testing.T) {
	old := testDriver(t, Options{})
	node := start(t, old, shell("shop-1", "exec sleep 1000"))
	for range 3 {
		failed := adopt(t, old, Options{})
		if err := failed.Close(); err != nil {
			t.Fatal(err)
		}
		old.Resume()
		if _, err := failed.Start(t.Context(), shell("shop-2", "true")); err == nil {
			t.Error("the failed successor starts nodes")
		}
	}
	second := start(t, old, shell("shop-3", "exec sleep 1000"))
	for _, i := range []fleet.Instance{node, second} {
		if i.Err() != nil {
			t.Errorf("node ended: %v", i.Err())
		}
	}
	d := adopt(t, old, Options{})
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	if err := adopted(t, d, "shop-1").Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// The successor ends between its offer and the release.
func TestReleaseWithoutASuccessorFails(t *testing.T) {
	old := testDriver(t, Options{})
	node := start(t, old, shell("shop-1", "exec sleep 1000"))
	if err := adopt(t, old, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := old.Release(); err == nil {
		t.Fatal("no error")
	}
	if err := node.Stop(t.Context()); err != nil || node.Err().Error() != "killed by SIGTERM" {
		t.Errorf("stop after the failed release: %v, %v", err, node.Err())
	}
}
