// Package redistest starts Redis or Valkey servers for tests.
//
//	server := redistest.Start(t)
//	client := server.Client()
//
// Every server runs alone on a free port of 127.0.0.1, in a directory that the test deletes. It ends with the test. On
// Linux it also ends when the test process is killed. If neither redis-server nor valkey-server is on PATH, the test is
// skipped; if the environment variable CI is set, it fails.
package redistest

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// Server is a redis-server or valkey-server. Its methods are not safe for concurrent use.
type Server struct {
	t       testing.TB
	program string
	address string
	dir     string
	args    []string

	process *os.Process
	ended   chan struct{} // closed when process has ended

	mu  sync.Mutex
	log []string // the last lines that the server has written; guarded by mu
}

// Start starts a server and returns when it accepts connections. It keeps its data in memory, unless args say
// otherwise. Args are further arguments of redis-server, for example "--appendonly", "yes".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, program: findProgram(t), dir: t.TempDir(), args: args}
	t.Cleanup(s.Kill)
	for range 10 { // another process may take the port before the server does
		s.address = FreeAddr(t)
		if s.launch() {
			return s
		}
	}
	s.fail()
	return nil
}

func findProgram(t testing.TB) string {
	t.Helper()
	path, found := lookProgram()
	if !found && os.Getenv("CI") != "" {
		t.Fatal("neither redis-server nor valkey-server is on PATH; CI must not skip this test")
	}
	if !found {
		t.Skip("SKIPPED: neither redis-server nor valkey-server is on PATH; apt-get install redis-server")
	}
	return path
}

// lookProgram returns the path of a server program.
func lookProgram() (path string, found bool) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// Addr returns the server's address, for example "127.0.0.1:20123". It stays the same after Restart.
func (s *Server) Addr() string { return s.address }

// URL returns the server's address as a URL, for example "redis://127.0.0.1:20123".
func (s *Server) URL() string { return "redis://" + s.address }

// PID returns the process id of the server.
func (s *Server) PID() int { return s.process.Pid }

// Client returns a new client of the server. See Connect.
func (s *Server) Client(adjust ...func(*rueidis.ClientOption)) rueidis.Client {
	s.t.Helper()
	return Connect(s.t, s.address, adjust...)
}

// Kill ends the server with SIGKILL and returns when it has ended. What the server did not write to its disk is lost.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.Kill()
		<-s.ended
		s.process = nil
	}
}

// Restart kills the server if it runs, starts it again at the same address, with the same directory and arguments, and
// returns when it accepts connections.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	for end := time.Now().Add(patience); !s.launch(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.fail()
		}
	}
}

// patience limits the wait for a server to start; machines that run tests may be busy.
const patience = time.Minute

// launch starts the server. It returns true when the server accepts connections and false when the server has ended.
func (s *Server) launch() bool {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"}
	cmd := exec.Command(s.program, append(args, s.args...)...)
	dieWithTest(cmd)
	output, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	started, ended := make(chan error), make(chan struct{})
	ready := make(chan struct{})
	go func() {
		// Linux kills the server when the thread that started it ends, so this goroutine keeps its thread until then.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			s.readLog(bufio.NewScanner(output), ready)
			cmd.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("start %s: %v", s.program, err)
	}
	s.process, s.ended = cmd.Process, ended
	select {
	case <-ready:
		return true
	case <-ended:
		s.process = nil
		return false
	case <-time.After(patience):
		s.fail()
		return false
	}
}

// readLog reads what the server writes until it ends, and closes ready when the server accepts connections.
func (s *Server) readLog(lines *bufio.Scanner, ready chan struct{}) {
	for lines.Scan() {
		line := lines.Text()
		s.mu.Lock()
		s.log = append(s.log[max(0, len(s.log)-20):], line)
		s.mu.Unlock()
		if ready != nil && strings.Contains(strings.ToLower(line), "ready to accept connections") {
			close(ready)
			ready = nil
		}
	}
}

func (s *Server) fail() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Fatalf("%s does not start at %s; its last lines:\n%s", s.program, s.address, strings.Join(s.log, "\n"))
}
