package process

import (
	"cmp"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const groupPoll = 50 * time.Millisecond

// child says what to start. It contains everything that the parent process needs: the reaper has another working
// directory and no environment.
type child struct {
	Path string   `json:"path"` // of the program
	Args []string `json:"args"` // with the name of the program
	Env  []string `json:"env"`  // the whole environment
	Dir  string   `json:"dir"`  // working directory
	Tag  string   `json:"tag"`  // of the node; it is in Env, too
}

// exit says how a process group ended.
type exit struct {
	Reason string `json:"reason"`         // "exit status 1", "killed by SIGKILL"
	Left   string `json:"left,omitempty"` // why processes of the group are left; "" when they are gone
}

// group is a process group that this process has started: one node.
type group struct {
	tag     string
	process *os.Process

	mu    sync.Mutex
	asked bool // it was asked to end
	empty bool // the group has no process any more; another group may get its number
}

// startGroup starts a process with its outputs. The kernel kills the process when the calling thread ends.
func startGroup(c *child, stdout, stderr *os.File) (*group, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if err := cmp.Or(setBlocking(stdout), setBlocking(stderr)); err != nil {
		return nil, err
	}
	p, err := os.StartProcess(c.Path, c.Args, &os.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: []*os.File{null, stdout, stderr}, Sys: attributes(),
	})
	if err != nil {
		return nil, err
	}
	return &group{tag: c.Tag, process: p}, nil
}

// setBlocking makes an output as programs expect it: Go makes its pipes non-blocking.
func setBlocking(output *os.File) (err error) {
	conn, err := output.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := conn.Control(func(fd uintptr) { err = syscall.SetNonblock(int(fd), false) })
	return cmp.Or(controlErr, err)
}

// stop sends SIGTERM to the process group.
func (g *group) stop() {
	g.mu.Lock()
	g.asked = true
	g.mu.Unlock()
	g.signal(syscall.SIGTERM)
	g.signal(syscall.SIGCONT) // a process that is stopped cannot react to SIGTERM
}

// kill sends SIGKILL to the process group.
func (g *group) kill() { g.signal(syscall.SIGKILL) }

// signal sends a signal to the whole process group.
func (g *group) signal(s syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.empty {
		_ = syscall.Kill(-g.process.Pid, s) // it fails when the group has just ended
	}
}

// wait returns when the first process, its whole group and every process with its tag have ended.
func (g *group) wait() exit {
	state, err := g.process.Wait()
	g.end()
	e := exit{Reason: reason(state, err)}
	if err := sweep(g.tag, nil, sweepPatience); err != nil {
		e.Left = err.Error()
	}
	return e
}

// end waits until the process group is empty. When the node was not asked to end, its other processes are killed: what
// a crashed node has started must not continue without it.
func (g *group) end() {
	g.mu.Lock()
	asked := g.asked
	g.mu.Unlock()
	if !asked {
		g.signal(syscall.SIGKILL)
	}
	for wait := time.Millisecond; groupAlive(g.process.Pid); wait = min(2*wait, groupPoll) {
		time.Sleep(wait) // the kernel reports the end of a process to its parent only, and these have lost theirs
		collectOrphans(g.process.Pid)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.empty = true
}

// reason says how the first process ended, in the terms of a shell.
func reason(state *os.ProcessState, err error) string {
	if state == nil {
		return fmt.Sprintf("wait: %v", err)
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return state.String()
	}
	text := "killed by " + unix.SignalName(status.Signal())
	if status.CoreDump() {
		text += " (core dumped)"
	}
	return text
}

// collectOrphans collects the ended processes of a group whose first process was collected already.
func collectOrphans(group int) {
	for {
		if pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
