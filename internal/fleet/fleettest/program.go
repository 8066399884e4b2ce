package fleettest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// The programs that a test binary can be instead of running its tests.
const (
	modeVariable   = "FLEETTEST_MODE"
	tetherVariable = "FLEETTEST_TETHER"

	Serve    = "serve"    // an HTTP server that finishes its requests on SIGTERM
	Stubborn = "stubborn" // the same, but it only tells its tether "term" on SIGTERM
	Parent   = "parent"   // starts a Hold and is then as Serve, without ending it
	Crash    = "crash"    // starts a Hold, writes three lines and exits with 3
	Work     = "work"     // tells PORT to its tether and ends on SIGTERM
	Hold     = "hold"     // holds its tether and ignores SIGTERM
)

// Main is the TestMain of a package that calls Run: the services that the suite starts are the test binary itself.
func Main(m *testing.M) {
	mode := os.Getenv(modeVariable)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := program(mode); err != nil {
		fmt.Fprintln(os.Stderr, "fleettest:", err)
		syscall.Exit(1)
	}
	syscall.Exit(0) // os.Exit takes a second longer under the race detector
}

func program(mode string) error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	tether, err := net.Dial("tcp", os.Getenv(tetherVariable))
	if err != nil {
		return err
	}
	fmt.Fprintln(tether, mode) // closed by the kernel when the process is gone
	switch mode {
	case Serve:
		return serve(tether, term)
	case Stubborn:
		return serve(tether, stubborn(tether, term))
	case Parent:
		if err := startHold(); err != nil {
			return err
		}
		return serve(tether, term)
	case Crash:
		if err := startHold(); err != nil {
			return err
		}
		bufio.NewReader(tether).ReadString('\n') // the test has seen both
		fmt.Println("one\ntwo")
		fmt.Fprintln(os.Stderr, "three")
		syscall.Exit(3)
	case Work:
		fmt.Fprintf(tether, "PORT=%s\n", os.Getenv("PORT"))
		<-term
	case Hold:
		select {}
	}
	return nil
}

// serve answers "/" with the node's id, and "/hold" with "held" at once and "finished" after SIGTERM.
func serve(tether net.Conn, term <-chan os.Signal) error {
	stopping := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv("TENFOLD_NODE")) })
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "held")
		http.NewResponseController(w).Flush()
		<-stopping
		fmt.Fprintln(w, "finished")
	})
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	fmt.Fprintln(tether, "listening")
	<-term
	close(stopping)
	return server.Shutdown(context.Background())
}

// stubborn takes the signals and never hands one on.
func stubborn(tether net.Conn, term <-chan os.Signal) <-chan os.Signal {
	go func() {
		for range term {
			fmt.Fprintln(tether, "term")
		}
	}()
	return nil
}

func startHold() error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), modeVariable+"="+Hold)
	return cmd.Start()
}

// Env is the environment that makes the test binary one of the programs.
func Env(mode string, t *Tether) []string {
	return []string{modeVariable + "=" + mode, tetherVariable + "=" + t.listener.Addr().String()}
}

// Tether sees processes come and go: each program connects to it when it starts, and the kernel closes the connection
// when the process is gone.
type Tether struct {
	listener  net.Listener
	processes chan *Process
}

// Process is the other end of a program's tether.
type Process struct {
	Mode  string
	conn  net.Conn
	lines *bufio.Reader
}

// NewTether listens until the end of the test.
func NewTether(t testing.TB) *Tether {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	tether := &Tether{listener: listener, processes: make(chan *Process)}
	go tether.accept(t.Context().Done())
	return tether
}

func (t *Tether) accept(end <-chan struct{}) {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return
		}
		p := &Process{conn: conn, lines: bufio.NewReader(conn)}
		p.Mode, _ = p.read()
		select {
		case t.processes <- p:
		case <-end:
			return
		}
	}
}

// Await waits until one process of each of the modes is there, and returns them in this order.
func (t *Tether) Await(tb testing.TB, modes ...string) []*Process {
	tb.Helper()
	found := make([]*Process, len(modes))
	for range modes {
		var p *Process
		select {
		case p = <-t.processes:
		case <-tb.Context().Done():
			tb.Fatal("test ended")
		}
		place := -1
		for i := range modes {
			if found[i] == nil && modes[i] == p.Mode {
				place = i
				break
			}
		}
		if place < 0 {
			tb.Fatalf("a process %q came, waiting for %q", p.Mode, modes)
		}
		found[place] = p
	}
	return found
}

func (p *Process) read() (string, error) {
	line, err := p.lines.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// Expect waits until the process says this.
func (p *Process) Expect(tb testing.TB, want string) {
	tb.Helper()
	if got, err := p.read(); got != want || err != nil {
		tb.Fatalf("%s says %q (%v), want %q", p.Mode, got, err, want)
	}
}

// Tell sends the process a line.
func (p *Process) Tell(line string) { fmt.Fprintln(p.conn, line) }

// AwaitGone waits until the process is gone.
func (p *Process) AwaitGone() {
	for {
		if _, err := p.read(); err != nil {
			return
		}
	}
}
