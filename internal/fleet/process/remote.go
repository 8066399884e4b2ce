package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

const (
	helloPatience  = 10 * time.Second // how long the start of the reaper may take
	startPatience  = 30 * time.Second // how long the reaper may take to start a process
	reaperPatience = time.Minute      // how long the reaper tries to kill processes that do not end
)

// remote is the reaper process as the parent of nodes, seen from tenfold.
type remote struct {
	link  *fdlink.Link
	ended func(id string, e exit)
	pid   int           // of the reaper
	gone  chan struct{} // closed when the connection has ended, and with it the reaper

	closing atomic.Bool // it was told to end

	released chan message  // capacity 1: the reply to release
	owner    chan struct{} // closed when this tenfold is the owner of the nodes
	ownOnce  sync.Once

	mu      sync.Mutex
	number  uint64
	replies map[uint64]chan message // of starts, by their number
}

// startReaper starts a reaper for the fleet with this tag.
func startReaper(command []string, tag string, ended func(id string, e exit)) (*remote, error) {
	ours, theirs, err := fdlink.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	l, err := fdlink.New(ours)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "/"
	// Without the tag of an outer fleet: the end of that fleet must not end this reaper before its work is done.
	cmd.Env = []string{}
	cmd.Stdin = theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, and so none of its signals
	if err := cmd.Start(); err != nil {
		l.Close()
		return nil, err
	}
	go cmd.Wait() // it ends with the reaper
	r := newRemote(l, ended)
	r.pid = cmd.Process.Pid
	if err := r.hello(tag); err != nil {
		l.Close()
		cmd.Process.Kill()
		return nil, fmt.Errorf("%s does not answer: %w", command[0], err)
	}
	r.own()
	go r.read()
	return r, nil
}

func newRemote(l *fdlink.Link, ended func(id string, e exit)) *remote {
	return &remote{link: l, ended: ended, owner: make(chan struct{}), gone: make(chan struct{}), released: make(chan message, 1), replies: map[uint64]chan message{}}
}

// own records that this tenfold is the owner of the nodes.
func (r *remote) own() { r.ownOnce.Do(func() { close(r.owner) }) }

// owns reports whether this tenfold is the owner of the nodes. Before that it must not end them.
func (r *remote) owns() bool {
	select {
	case <-r.owner:
		return true
	default:
		return false
	}
}

// hello waits until the reaper works.
func (r *remote) hello(tag string) error {
	if err := r.link.Send(message{Verb: verbFleet, Tag: tag}); err != nil {
		return err
	}
	r.link.SetReadDeadline(time.Now().Add(helloPatience))
	defer r.link.SetReadDeadline(time.Time{})
	var m message
	files, err := r.link.Receive(&m)
	fdlink.CloseAll(files)
	if err == nil && m.Verb != verbHello {
		err = fmt.Errorf("it says %q", m.Verb)
	}
	return err
}

// read processes the messages of the reaper until the connection ends.
func (r *remote) read() {
	defer close(r.gone)
	defer r.link.Close()
	for {
		var m message
		files, err := r.link.Receive(&m)
		fdlink.CloseAll(files)
		if err != nil {
			return
		}
		switch m.Verb {
		case verbStarted:
			r.reply(m)
		case verbEnded:
			if m.Exit != nil {
				r.ended(m.ID, *m.Exit)
			}
			r.link.Send(message{Verb: verbSeen, ID: m.ID})
		case verbReleased:
			select {
			case r.released <- m:
			default:
			}
		case verbOwner:
			r.own()
		}
	}
}

func (r *remote) reply(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.replies[m.Number]; c != nil {
		c <- m // it has room for one
		delete(r.replies, m.Number)
	}
}

func (r *remote) start(ctx context.Context, id string, c *child, p *pipes) (pid int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	reply := make(chan message, 1)
	r.mu.Lock()
	r.number++
	number := r.number
	r.replies[number] = reply
	r.mu.Unlock()
	if err := r.link.Send(message{Verb: verbStart, Number: number, ID: id, Child: c},
		p.stdout.write, p.stderr.write, p.stdout.read, p.stderr.read); err != nil {
		return 0, fmt.Errorf("the reaper does not take the start: %w", err)
	}
	select {
	case m := <-reply:
		return m.PID, startError(c.Path, m)
	case <-r.gone:
		return 0, errReaperEnded
	case <-time.After(startPatience): // not ctx.Done: a start is short, and its process must not be left alone
		go r.kill(id) // the reaper reads it after the start
		return 0, errReaperHangs
	}
}

var (
	errReaperEnded = errors.New("the reaper, which starts the nodes, has ended")
	errReaperHangs = errors.New("the reaper, which starts the nodes, does not answer")
)

// startError returns the error of a reply: the same one as if this process had started the child.
func startError(path string, m message) error {
	switch {
	case m.Errno != 0:
		return &fs.PathError{Op: "fork/exec", Path: path, Err: syscall.Errno(m.Errno)}
	case m.Error != "":
		return errors.New(m.Error)
	}
	return nil
}

func (r *remote) stop(id string) { r.tell(message{Verb: verbStop, ID: id}) }
func (r *remote) kill(id string) { r.tell(message{Verb: verbKill, ID: id}) }

// tell sends a message. It ignores errors: when the reaper has ended, so have its nodes.
func (r *remote) tell(m message) { _ = r.link.Send(m) }

// close makes the reaper kill what is left and end, and waits for it.
func (r *remote) close() error {
	r.closing.Store(true)
	r.tell(message{Verb: verbEnd})
	select {
	case <-r.gone:
		for groupAlive(r.pid) { // the kernel closes the connection a moment before the process ends
			time.Sleep(time.Millisecond)
		}
		return nil
	case <-time.After(killPatience):
		r.link.Close()
		return errors.New("close reaper: it still waits for processes that do not end")
	}
}

// release makes the successor the owner of the nodes.
func (r *remote) release() error {
	if err := r.link.Send(message{Verb: verbRelease}); err != nil {
		return errReaperEnded
	}
	select {
	case m := <-r.released:
		if m.Error != "" {
			return errors.New(m.Error)
		}
		r.leave()
		return nil
	case <-r.gone:
		return errReaperEnded
	case <-time.After(helloPatience):
		return errReaperHangs
	}
}

// leave ends the connection without an effect on the nodes.
func (r *remote) leave() {
	r.closing.Store(true)
	r.link.Close()
}

// closed reports whether the reaper has ended.
func (r *remote) closed() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}
