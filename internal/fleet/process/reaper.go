package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/fdlink"
)

const minTag = 16 // bytes; a shorter tag is not one of ours

// RunReaper is the main function of the reaper process: the program calls it when it was started with [Options.Reaper],
// and exits when it returns. The reaper is the parent of all nodes. socket is the connection to tenfold. When it ends,
// because tenfold has ended in any way, the reaper kills every node and every process with the tag of the fleet. The
// connection stays open until the process ends.
func RunReaper(socket *os.File) error {
	runtime.LockOSThread() // and never unlocked: the kernel kills the nodes when the thread that forked them ends
	ignoreSignals()
	l, err := fdlink.New(socket)
	if err != nil {
		return fmt.Errorf("reap fleet: %w: only tenfold itself calls this verb", err)
	}
	var m message
	files, err := l.Receive(&m)
	fdlink.CloseAll(files)
	switch {
	case err != nil:
		return fmt.Errorf("reap fleet: %w", err)
	case m.Verb != verbFleet || len(m.Tag) < minTag || strings.ContainsAny(m.Tag, ",/ "):
		return fmt.Errorf("reap fleet: %q is not a tag: only tenfold itself calls this verb", m.Tag)
	}
	r := &reaper{tag: m.Tag, owner: l, starts: make(chan func()), done: make(chan struct{}), nodes: map[string]*held{}}
	if AdoptOrphans() == nil {
		orphans, cancel := context.WithCancel(context.Background())
		defer cancel()
		go CollectOrphans(orphans, r.owns)
	}
	l.Send(message{Verb: verbHello})
	go r.read(l)
	return r.run()
}

// ignoreSignals makes the reaper live as long as tenfold. It handles the signals: ignored ones would be ignored by the
// nodes, too.
func ignoreSignals() {
	unread := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE,
		syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) { // as under nohup; the nodes inherit that
			signal.Notify(unread, s)
		}
	}
}

// reaper is the state of the reaper process.
type reaper struct {
	tag    string
	starts chan func()   // calls for the thread that forks
	done   chan struct{} // closed when the connection to tenfold has ended

	mu        sync.Mutex
	owner     *fdlink.Link     // the tenfold whose end is the end of the nodes
	successor *fdlink.Link     // a tenfold that may become the owner; nil for none
	nodes     map[string]*held // until tenfold has seen their end
}

// held is a node of the reaper.
type held struct {
	*group
	outputs outputs // for a tenfold that takes over
	exit    *exit   // nil while it runs
	seen    bool    // tenfold has seen its end; a successor has not
}

// run forks until tenfold has ended. Then it ends everything.
func (r *reaper) run() error {
	for {
		select {
		case start := <-r.starts:
			start()
		case <-r.done:
			return r.endAll()
		}
	}
}

// endAll kills every process of the fleet.
func (r *reaper) endAll() error {
	groups := map[int]bool{}
	r.mu.Lock()
	for h := range maps.Values(r.nodes) {
		if h.exit == nil {
			groups[h.process.Pid] = true
		}
	}
	r.mu.Unlock()
	return sweep(r.tag, groups, reaperPatience)
}

// read processes the messages of a tenfold until its link ends. The end of the owner's link ends everything.
func (r *reaper) read(l *fdlink.Link) {
	for {
		var m message
		files, err := l.Receive(&m)
		if err != nil {
			break
		}
		if m.Verb == verbEnd && r.isOwner(l) {
			break
		}
		r.process(l, m, files)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch l {
	case r.owner:
		close(r.done)
	case r.successor:
		r.successor = nil
		l.Close()
		for id, h := range r.nodes {
			if h.seen {
				r.remove(id)
			}
		}
	default:
		l.Close() // it has released the nodes
	}
}

func (r *reaper) isOwner(l *fdlink.Link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owner == l
}

// process does what a message says. Only the owner may change something.
func (r *reaper) process(l *fdlink.Link, m message, files []*os.File) {
	switch {
	case m.Verb == verbAdopt && !r.isOwner(l):
		r.show(l)
	case !r.isOwner(l):
	case m.Verb == verbStart:
		r.start(m, files)
		return // it keeps the files
	case m.Verb == verbStop:
		r.signal(m.ID, (*group).stop)
	case m.Verb == verbKill:
		r.signal(m.ID, (*group).kill)
	case m.Verb == verbSeen:
		r.forget(m.ID)
	case m.Verb == verbOffer && len(files) == 1:
		r.offer(files[0])
		return
	case m.Verb == verbRelease:
		r.release(l)
	}
	fdlink.CloseAll(files)
}

// start starts a node and replies.
func (r *reaper) start(m message, files []*os.File) {
	reply := message{Verb: verbStarted, Number: m.Number, ID: m.ID}
	if len(files) != 4 || m.Child == nil {
		fdlink.CloseAll(files)
		reply.Error = "a start without its files"
		r.tell(reply)
		return
	}
	stdout, stderr, reads := files[0], files[1], outputsOf(files[2:])
	var g *group
	var err error
	made := make(chan struct{})
	r.starts <- func() { g, err = startGroup(m.Child, stdout, stderr); close(made) }
	<-made
	fdlink.CloseAll(files[:2]) // the process has its own copies
	if err != nil {
		reads.close()
		reply.Error = err.Error()
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			reply.Errno = int(errno)
		}
		r.tell(reply)
		return
	}
	h := &held{group: g, outputs: reads}
	r.mu.Lock()
	r.nodes[m.ID] = h
	r.mu.Unlock()
	reply.PID = g.process.Pid
	r.tell(reply)
	go r.follow(m.ID, h)
}

// follow reports the end of a node.
func (r *reaper) follow(id string, h *held) {
	e := h.wait()
	r.mu.Lock()
	h.exit = &e
	r.mu.Unlock()
	r.tell(message{Verb: verbEnded, ID: id, Exit: &e})
}

func (r *reaper) signal(id string, do func(*group)) {
	r.mu.Lock()
	h := r.nodes[id]
	r.mu.Unlock()
	if h != nil {
		do(h.group)
	}
}

// owns reports whether a process is the first one of a node.
func (r *reaper) owns(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.nodes {
		if h.process.Pid == pid && h.exit == nil {
			return true
		}
	}
	return false
}

// forget removes a node whose end tenfold has seen. A successor may have been told of the node: then the node stays until
// the successor has seen its end, too, or is gone.
func (r *reaper) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.nodes[id]
	if h == nil || h.exit == nil {
		return
	}
	if h.seen = true; r.successor == nil {
		r.remove(id)
	}
}

// remove removes a node. The lock is held.
func (r *reaper) remove(id string) {
	r.nodes[id].outputs.close()
	delete(r.nodes, id)
}

// tell sends a message to tenfold. It ignores errors: read notices that tenfold has ended.
func (r *reaper) tell(m message) {
	r.mu.Lock()
	owner := r.owner
	r.mu.Unlock()
	_ = owner.Send(m)
}
