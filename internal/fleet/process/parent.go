package process

import (
	"context"
	"runtime"
	"sync"
)

// parent is the process that starts nodes: the reaper, or this process. Its methods may be called concurrently.
type parent interface {
	// start starts a node that writes into the pipes. The end of the node is reported to the function that the parent was
	// made with, once, and maybe before start returns.
	start(ctx context.Context, id string, c *child, p *pipes) (pid int, err error)
	stop(id string) // sends SIGTERM
	kill(id string) // sends SIGKILL
	// close ends the parent after all its nodes have ended.
	close() error
}

// local is this process as the parent of nodes: without a reaper, nothing but the kernel ends the nodes of a tenfold that
// was killed, and they do not survive an upgrade.
type local struct {
	ended  func(id string, e exit)
	starts chan func()   // calls for the thread that forks
	done   chan struct{} // closed with the parent
	wg     sync.WaitGroup

	mu     sync.Mutex
	groups map[string]*group // by the id of the node
}

func newLocal(ended func(id string, e exit)) *local {
	l := &local{ended: ended, starts: make(chan func()), done: make(chan struct{}), groups: map[string]*group{}}
	l.wg.Go(l.fork)
	return l
}

// fork is the only thread that makes processes. The kernel sends PDEATHSIG when the thread that forked ends, not when
// its process ends. So this thread must live as long as the nodes. It ends with the parent, after the last node.
func (l *local) fork() {
	runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
	for {
		select {
		case start := <-l.starts:
			start()
		case <-l.done:
			return
		}
	}
}

func (l *local) start(ctx context.Context, id string, c *child, p *pipes) (pid int, err error) {
	var g *group
	made := make(chan struct{})
	select {
	case l.starts <- func() { g, err = startGroup(c, p.stdout.write, p.stderr.write); close(made) }:
		<-made // a start is short: it ends with exec, before the node is ready
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-l.done:
		return 0, errClosed
	}
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.groups[id] = g
	l.mu.Unlock()
	l.wg.Go(func() {
		e := g.wait()
		l.mu.Lock()
		delete(l.groups, id)
		l.mu.Unlock()
		l.ended(id, e)
	})
	return g.process.Pid, nil
}

func (l *local) stop(id string) {
	if g := l.find(id); g != nil {
		g.stop()
	}
}

func (l *local) kill(id string) {
	if g := l.find(id); g != nil {
		g.kill()
	}
}

func (l *local) find(id string) *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.groups[id]
}

func (l *local) close() error {
	close(l.done)
	l.wg.Wait()
	return nil
}
