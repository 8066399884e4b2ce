package succession

import (
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

// forwarded are the signals that a supervisor passes on.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// Supervisor is the first process of a tenfold after its first upgrade: it passes on signals, and ends with the process that
// serves.
type Supervisor struct {
	link *fdlink.Link
	eof  chan struct{} // closed when no process has a link to this one any more

	mu      sync.Mutex
	current int // the process that serves
}

// NewSupervisor makes a supervisor, and the socket that the successor gets.
func NewSupervisor() (*Supervisor, *os.File, error) {
	ours, theirs, err := fdlink.Pair()
	if err != nil {
		return nil, nil, err
	}
	link, err := fdlink.New(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return &Supervisor{link: link, eof: make(chan struct{})}, theirs, nil
}

// Close gives up a supervisor whose successor has failed.
func (s *Supervisor) Close() { s.link.Close() }

// Start begins to pass on signals to the process pid, and later to its successors.
func (s *Supervisor) Start(pid int) {
	s.current = pid
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	go func() { // ends with the process
		for received := range signals {
			syscall.Kill(s.serving(), received.(syscall.Signal))
		}
	}()
	go s.read()
}

func (s *Supervisor) serving() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// read learns which process serves.
func (s *Supervisor) read() {
	defer close(s.eof)
	for {
		var m message
		files, err := s.link.Receive(&m)
		fdlink.CloseAll(files)
		if err != nil {
			return
		}
		if m.Verb == verbServing && m.PID > 0 {
			s.mu.Lock()
			s.current = m.PID
			s.mu.Unlock()
		}
	}
}

// Wait returns when the last process that serves has ended, with its exit code. first is the process that Start was called
// for. Wait frees the memory of this process first.
func (s *Supervisor) Wait(first *Successor) (code int) {
	first.link.Close() // the successor knows then that no request is left here
	debug.FreeOSMemory()
	<-first.waited
	codes := map[int]int{}
	codes[first.PID], _ = first.Ended()
	last := codes[first.PID]
	for over := false; ; {
		pid, status := collect()
		switch {
		case pid > 0:
			last = exitCode(status)
			codes[pid] = last
		case over:
			// A process that ended before its parent was no child of this one. Its parent has passed on the exit code.
			if code, ok := codes[s.serving()]; ok {
				return code
			}
			return max(last, 1)
		default:
			select {
			case <-s.eof:
				time.Sleep(collectPause) // the kernel closes a link a moment before the process ends
				over = true
			case <-time.After(collectPause):
			}
		}
	}
}

// collectPause is the time between two looks for children that have ended. A supervisor has nothing else to do.
const collectPause = 100 * time.Millisecond

// collect returns a child that has ended, or 0. When their parents end, the processes that serve become children of this
// one, and so do the reapers that they have started.
func collect() (pid int, status syscall.WaitStatus) {
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	if err != nil {
		return 0, 0
	}
	return pid, status
}

// exitCode returns the exit code of a process as a shell does: that of a signal is 128 and its number.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// Supervised is the link of a process that serves to the supervisor.
type Supervised struct {
	link *fdlink.Link
	gone chan struct{}
}

// NewSupervised makes the link of a socket that came from the predecessor.
func NewSupervised(socket *os.File) (*Supervised, error) {
	link, err := fdlink.New(socket)
	if err != nil {
		return nil, err
	}
	return &Supervised{link: link, gone: make(chan struct{})}, nil
}

// Announce tells the supervisor that this process serves.
func (s *Supervised) Announce() {
	s.link.Send(message{Verb: verbServing, PID: os.Getpid()})
	go func() { // ends with the supervisor, or with this process
		defer close(s.gone)
		for {
			var m message
			files, err := s.link.Receive(&m)
			fdlink.CloseAll(files)
			if err != nil {
				return
			}
		}
	}()
}

// Gone is closed when the supervisor has ended. It is for the time after Announce.
func (s *Supervised) Gone() <-chan struct{} { return s.gone }

// File returns the socket for a successor.
func (s *Supervised) File() (*os.File, error) { return s.link.File() }
