package succession

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

// Program is what a successor runs.
type Program struct {
	Path   string
	Args   []string // with the name of the program
	Env    []string
	Stderr *os.File // of this tenfold
}

// Successor is the process that is going to succeed this one, seen from here. Its methods are called one after the other, in
// the order Start, AwaitTake, SendState, AwaitReady, Go, AwaitServing. After an error, Kill.
type Successor struct {
	PID     int
	Version string
	Commit  string

	cmd   *exec.Cmd
	link  *fdlink.Link
	lines *lastLines

	lost   atomic.Bool   // the link has ended
	waited chan struct{} // closed when the process has ended
}

// Start starts the program and waits until it says hello.
func Start(p Program) (*Successor, error) {
	ours, theirs, err := fdlink.Pair()
	if err != nil {
		return nil, err
	}
	link, err := fdlink.New(ours)
	if err != nil {
		theirs.Close()
		return nil, err
	}
	s := &Successor{link: link, lines: &lastLines{to: p.Stderr}, waited: make(chan struct{})}
	// First is the conversation, at descriptor 3.
	s.cmd = &exec.Cmd{
		Path: p.Path, Args: p.Args, Env: append(p.Env, variable+"=3"), ExtraFiles: []*os.File{theirs, p.Stderr},
		Stdout: os.Stdout,
		// In an own group: the terminal sends its signals to the first process only, which passes them on.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	err = s.start()
	theirs.Close() // the process has its own copy: its end is the end of the link
	if err != nil {
		link.Close()
		return nil, fmt.Errorf("start the new process: %w", err)
	}
	m, err := s.await(verbHello, helloPatience)
	if err != nil {
		s.Kill()
		return nil, err
	}
	s.Version, s.Commit = m.Version, m.Commit
	return s, nil
}

// start starts the process. Its standard error is read until it closes it.
func (s *Successor) start() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	s.cmd.Stderr = write
	err = s.cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		return err
	}
	s.PID = s.cmd.Process.Pid
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		defer read.Close()
		s.lines.copy(read)
	}()
	go func() {
		s.cmd.Wait()
		select { // what it has started may hold its standard error
		case <-copied:
		case <-time.After(time.Second):
		}
		close(s.waited)
	}()
	return nil
}

// await waits for a message of the successor.
func (s *Successor) await(verb string, patience time.Duration) (message, error) {
	s.link.SetReadDeadline(time.Now().Add(patience))
	var m message
	files, err := s.link.Receive(&m)
	fdlink.CloseAll(files)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return m, s.failed(fmt.Sprintf("did not get to %q within %v", verb, patience))
	case err != nil:
		return m, s.ended()
	case m.Verb == verbFailed:
		return m, s.failed(m.Error)
	case m.Verb != verb:
		return m, s.failed(fmt.Sprintf("says %q instead of %q", m.Verb, verb))
	}
	return m, nil
}

// ended describes how the successor has ended.
func (s *Successor) ended() error {
	select {
	case <-s.waited:
		return s.failed("ended: " + s.cmd.ProcessState.String())
	case <-time.After(time.Second):
		return s.failed("closed its connection")
	}
}

// failed makes an error with the last lines of the successor.
func (s *Successor) failed(reason string) error {
	return &FailedError{PID: s.PID, Reason: reason, Output: s.lines.get()}
}

// FailedError says that a successor did not get to work.
type FailedError struct {
	PID    int
	Reason string
	Output []string // its last lines on standard error
}

func (e *FailedError) Error() string {
	text := fmt.Sprintf("the new process %d %s", e.PID, e.Reason)
	if len(e.Output) > 0 {
		text += "\nit wrote last:\n  " + strings.Join(e.Output, "\n  ")
	}
	return text
}

// AwaitTake waits until the successor asks for the state.
func (s *Successor) AwaitTake() error {
	_, err := s.await(verbTake, takePatience)
	return err
}

// SendState sends the state, which is marshalled as JSON, and open files.
func (s *Successor) SendState(state any, files []*os.File) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := s.link.Send(message{Verb: verbState, State: text}, files...); err != nil {
		if errors.Is(err, syscall.E2BIG) {
			return fmt.Errorf("send state of %d bytes and %d files: %w", len(text), len(files), err)
		}
		return s.ended()
	}
	return nil
}

// AwaitReady waits until the successor could serve.
func (s *Successor) AwaitReady() error {
	_, err := s.await(verbReady, readyPatience)
	return err
}

// Go tells the successor that it has everything now.
func (s *Successor) Go() error { return s.link.Send(message{Verb: verbGo}) }

// AwaitServing waits until the successor serves.
func (s *Successor) AwaitServing() error {
	_, err := s.await(verbServing, goPatience)
	return err
}

// AwaitEnd returns when the successor asks this process to finish its requests soon, or when it has ended. It is for the
// time after AwaitServing.
func (s *Successor) AwaitEnd() {
	s.link.SetReadDeadline(time.Time{})
	for {
		var m message
		files, err := s.link.Receive(&m)
		fdlink.CloseAll(files)
		if err != nil {
			s.lost.Store(true)
			return
		}
		if m.Verb == verbEnd {
			return
		}
	}
}

// Ended returns the exit code of a successor that has ended, and false for one that runs.
func (s *Successor) Ended() (code int, ended bool) {
	if s.lost.Load() { // the kernel closes the link a moment before the process ends
		select {
		case <-s.waited:
		case <-time.After(2 * time.Second):
		}
	}
	select {
	case <-s.waited:
		return exitCode(s.cmd.ProcessState.Sys().(syscall.WaitStatus)), true
	default:
		return 0, false
	}
}

// Kill ends the successor.
func (s *Successor) Kill() {
	s.cmd.Process.Kill()
	s.link.Close()
	<-s.waited
}

// maxLines is how many of the last lines of a successor are kept.
const maxLines = 20

// lastLines passes on lines and keeps the last ones.
type lastLines struct {
	to io.Writer

	mu    sync.Mutex
	lines []string
}

func (l *lastLines) copy(from io.Reader) {
	scanner := bufio.NewReaderSize(from, 4<<10)
	for {
		line, _, err := scanner.ReadLine() // a longer line comes in parts
		if err != nil {
			return
		}
		l.to.Write(append(bytes.Clone(line), '\n'))
		l.mu.Lock()
		if len(l.lines) == maxLines {
			l.lines = l.lines[1:]
		}
		l.lines = append(l.lines, strings.ToValidUTF8(string(line), "\uFFFD"))
		l.mu.Unlock()
	}
}

func (l *lastLines) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}
