package succession

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

// Predecessor is the process that this one is going to succeed, seen from here.
type Predecessor struct {
	// Stderr is the standard error of tenfold. That of this process is read by the predecessor, until Serving.
	Stderr *os.File
	// OwnStderr says that this process writes to another standard error, which stays.
	OwnStderr bool

	link *fdlink.Link
	gone chan struct{} // closed when the connection has ended

	endOnce sync.Once

	mu     sync.Mutex
	served bool
}

// Inherit returns the predecessor of this process, or nil when it has none. version and commit are those of this program. It
// removes the variable that says so, so that no node gets it.
func Inherit(version, commit string) (*Predecessor, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(variable)
	first, err := strconv.Atoi(text)
	if err != nil || first < 3 {
		return nil, fmt.Errorf("%s is %q: only tenfold itself sets it", variable, text)
	}
	for _, fd := range []int{first, first + 1} {
		unix.CloseOnExec(fd)
	}
	link, err := fdlink.New(os.NewFile(uintptr(first), "succession"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	p := &Predecessor{Stderr: os.NewFile(uintptr(first+1), "/dev/stderr"), link: link, gone: make(chan struct{})}
	if err := link.Send(message{Verb: verbHello, PID: os.Getpid(), Version: version, Commit: commit}); err != nil {
		return nil, fmt.Errorf("say hello to the predecessor: %w", err)
	}
	return p, nil
}

// Take asks for the state, and reads it into state. It returns the open files that came with it.
func (p *Predecessor) Take(state any) ([]*os.File, error) {
	if err := p.link.Send(message{Verb: verbTake}); err != nil {
		return nil, fmt.Errorf("ask the predecessor: %w", err)
	}
	m, files, err := p.receive(verbState, takePatience)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(m.State, state); err != nil {
		fdlink.CloseAll(files)
		return nil, fmt.Errorf("read the state of the predecessor: %w", err)
	}
	return files, nil
}

func (p *Predecessor) receive(verb string, patience time.Duration) (m message, files []*os.File, err error) {
	p.link.SetReadDeadline(time.Now().Add(patience))
	defer p.link.SetReadDeadline(time.Time{})
	files, err = p.link.Receive(&m)
	switch {
	case err != nil:
		return m, nil, fmt.Errorf("the predecessor has given up: %w", err)
	case m.Verb != verb:
		fdlink.CloseAll(files)
		return m, nil, fmt.Errorf("%w: %q instead of %q: %s", errUnexpected, m.Verb, verb, m.Error)
	}
	return m, files, nil
}

// Ready says that this process could serve, and waits until it has everything.
func (p *Predecessor) Ready() error {
	if err := p.link.Send(message{Verb: verbReady}); err != nil {
		return fmt.Errorf("tell the predecessor: %w", err)
	}
	_, _, err := p.receive(verbGo, goPatience)
	return err
}

// Serving says that this process serves. From then on its standard error is that of tenfold.
func (p *Predecessor) Serving() error {
	p.mu.Lock()
	p.served = true
	p.mu.Unlock()
	if !p.OwnStderr {
		if err := p.takeStderr(); err != nil {
			return err
		}
	}
	err := p.link.Send(message{Verb: verbServing})
	go func() {
		defer close(p.gone)
		for { // until the predecessor ends
			var m message
			files, err := p.link.Receive(&m)
			fdlink.CloseAll(files)
			if err != nil {
				return
			}
		}
	}()
	return err
}

// takeStderr makes descriptor 2 the standard error of tenfold, for what the Go runtime writes there.
func (p *Predecessor) takeStderr() (err error) {
	conn, err := p.Stderr.SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	err = conn.Control(func(fd uintptr) { dupErr = unix.Dup2(int(fd), 2) })
	return errors.Join(err, dupErr)
}

// Fail tells the predecessor why this process cannot succeed it. After Serving it does nothing.
func (p *Predecessor) Fail(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.served {
		p.link.Send(message{Verb: verbFailed, Error: "failed: " + reason})
	}
}

// End asks the predecessor to finish its requests soon, without waiting for idle connections. It is for the time after
// Serving.
func (p *Predecessor) End() { p.endOnce.Do(func() { p.link.Send(message{Verb: verbEnd}) }) }

// Gone is closed when the last request of the predecessor is over. It is for the time after Serving.
func (p *Predecessor) Gone() <-chan struct{} { return p.gone }
