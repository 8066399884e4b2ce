package fleettest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// Watcher sees processes start and end: each program connects to it at its start, and the kernel closes the connection
// when the process has ended.
type Watcher struct {
	listener  net.Listener
	processes chan *Process
}

// NewWatcher listens until the end of the test.
func NewWatcher(t testing.TB) *Watcher {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	w := &Watcher{listener: listener, processes: make(chan *Process)}
	go w.accept(t.Context().Done())
	return w
}

func (w *Watcher) accept(end <-chan struct{}) {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		p := &Process{conn: conn, lines: bufio.NewReader(conn)}
		p.Program, _ = p.read()
		select {
		case w.processes <- p:
		case <-end:
			return
		}
	}
}

// Await waits until one process of each of the programs runs. It returns the processes in this order. It fails the test
// when another program starts.
func (w *Watcher) Await(tb testing.TB, programs ...string) []*Process {
	tb.Helper()
	found := make([]*Process, len(programs))
	for range programs {
		var p *Process
		select {
		case p = <-w.processes:
		case <-tb.Context().Done():
			tb.Fatal("the test has ended")
		}
		place := -1
		for i := range programs {
			if found[i] == nil && programs[i] == p.Program {
				place = i
				break
			}
		}
		if place < 0 {
			tb.Fatalf("a process %q started, want one of %q", p.Program, programs)
		}
		found[place] = p
	}
	return found
}

// Process is a process that has connected to a Watcher.
type Process struct {
	Program string
	conn    net.Conn
	lines   *bufio.Reader
}

// Expect waits until the process sends this line.
func (p *Process) Expect(tb testing.TB, want string) {
	tb.Helper()
	if got, err := p.read(); got != want || err != nil {
		tb.Fatalf("%s sends %q (%v), want %q", p.Program, got, err, want)
	}
}

// Tell sends a line to the process.
func (p *Process) Tell(line string) { fmt.Fprintln(p.conn, line) }

// AwaitGone waits until the process has ended.
func (p *Process) AwaitGone() {
	for {
		if _, err := p.read(); err != nil {
			return
		}
	}
}

func (p *Process) read() (string, error) {
	line, err := p.lines.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}
