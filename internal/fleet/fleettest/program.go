package fleettest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// The programs that a test binary can be instead of running its tests.
const (
	Serve       = "serve"        // an HTTP server that finishes its requests on SIGTERM
	Stubborn    = "stubborn"     // an HTTP server that does not end on SIGTERM; its watcher gets "term"
	Crash       = "crash"        // writes three lines and exits with 3
	Work        = "work"         // sends PORT to its watcher and ends on SIGTERM
	Parent      = "parent"       // starts a Hold, then is a Serve; it does not end the Hold
	CrashParent = "crash-parent" // starts a Hold, then is a Crash as soon as its watcher sends a line
	Hold        = "hold"         // ignores SIGTERM and does not end
)

const (
	programVariable = "FLEETTEST_PROGRAM"
	watcherVariable = "FLEETTEST_WATCHER"
)

// Program returns how a driver of processes starts one of the programs. w may be nil.
func Program(id, program string, w *Watcher) fleet.Spec {
	return fleet.Spec{
		ID: id, Run: []string{os.Args[0]}, Env: append(Env(program, w), "TENFOLD_NODE="+id),
		Serves: program == Serve || program == Stubborn || program == Parent,
	}
}

// Env is the environment that makes the test binary one of the programs. w may be nil.
func Env(program string, w *Watcher) []string {
	env := []string{programVariable + "=" + program}
	if w != nil {
		env = append(env, watcherVariable+"="+w.listener.Addr().String())
	}
	return env
}

// Main is the TestMain of a package that calls a suite with [Program]. It runs the tests, or the program that the
// environment names.
func Main(m *testing.M) {
	program := os.Getenv(programVariable)
	if program == "" {
		os.Exit(m.Run())
	}
	if err := run(program); err != nil {
		fmt.Fprintln(os.Stderr, "fleettest:", err)
		syscall.Exit(1)
	}
	syscall.Exit(0) // os.Exit takes one second longer under the race detector
}

func run(program string) error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	watcher, err := dialWatcher(program)
	if err != nil {
		return err
	}
	switch program {
	case Serve:
		return serve(watcher, term)
	case Stubborn:
		return serveStubbornly(watcher, term)
	case Crash:
		crash()
	case Work:
		fmt.Fprintf(watcher, "PORT=%s\n", os.Getenv("PORT"))
		<-term
	case Parent:
		if err := startHold(); err != nil {
			return err
		}
		return serve(watcher, term)
	case CrashParent:
		if err := startHold(); err != nil {
			return err
		}
		bufio.NewReader(watcher).ReadString('\n') // the test has seen both processes
		crash()
	case Hold:
		select {}
	}
	return nil
}

// dialWatcher connects to the watcher. The kernel closes the connection when the process has ended. Without a watcher,
// it returns a connection that discards everything.
func dialWatcher(program string) (io.ReadWriter, error) {
	address := os.Getenv(watcherVariable)
	if address == "" {
		return struct {
			io.Reader
			io.Writer
		}{nil, io.Discard}, nil
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(conn, program)
	return conn, nil
}

// serve answers "/" with the id of the node. It answers "/hold" with "held" at once and "finished" after SIGTERM.
func serve(watcher io.Writer, term <-chan os.Signal) error {
	stopping := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", answerID)
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "held")
		http.NewResponseController(w).Flush()
		<-stopping
		fmt.Fprintln(w, "finished")
	})
	server, err := listen(mux)
	if err != nil {
		return err
	}
	fmt.Fprintln(watcher, "listening")
	<-term
	close(stopping)
	return server.Shutdown(context.Background())
}

// serveStubbornly answers "/" with the id of the node, and "/asked" after SIGTERM. It does not return.
func serveStubbornly(watcher io.Writer, term <-chan os.Signal) error {
	asked := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", answerID)
	mux.HandleFunc("/asked", func(w http.ResponseWriter, r *http.Request) { <-asked })
	if _, err := listen(mux); err != nil {
		return err
	}
	fmt.Fprintln(watcher, "listening")
	<-term
	fmt.Fprintln(watcher, "term")
	close(asked)
	select {}
}

func answerID(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv("TENFOLD_NODE")) }

func listen(handler http.Handler) (*http.Server, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	return server, nil
}

func crash() {
	fmt.Println("one\ntwo")
	fmt.Fprintln(os.Stderr, "three")
	syscall.Exit(3)
}

func startHold() error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), programVariable+"="+Hold)
	return cmd.Start()
}
