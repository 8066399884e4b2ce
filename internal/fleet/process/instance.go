package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	killPatience   = 10 * time.Second // how long SIGKILL may take; a process that waits for a broken disk takes longer
	outputPatience = time.Second      // how long to wait for the end of the output, when an escaped process holds the pipe
	groupPoll      = 50 * time.Millisecond
)

// instance is one process group.
type instance struct {
	id   string
	port int // 0 when it does not serve
	cmd  *exec.Cmd

	asked   chan struct{} // closed when it was asked to end
	askOnce sync.Once

	mu    sync.Mutex
	empty bool // the group has no process any more; another group may get its number

	done chan struct{}
	err  error // set before done is closed
}

func newInstance(id string, port int, cmd *exec.Cmd) *instance {
	return &instance{id: id, port: port, cmd: cmd, asked: make(chan struct{}), done: make(chan struct{})}
}

func (i *instance) PID() int              { return i.cmd.Process.Pid }
func (i *instance) Done() <-chan struct{} { return i.done }

func (i *instance) Address() string {
	if i.port == 0 {
		return ""
	}
	return net.JoinHostPort(loopback, strconv.Itoa(i.port))
}

func (i *instance) Err() error {
	select {
	case <-i.done:
		return i.err
	default:
		return nil
	}
}

// Stop sends SIGTERM to the process group and, when ctx ends first, SIGKILL.
func (i *instance) Stop(ctx context.Context) error {
	i.askOnce.Do(func() {
		close(i.asked)
		i.signal(syscall.SIGTERM)
		i.signal(syscall.SIGCONT) // a process that is stopped cannot react to SIGTERM
	})
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
	}
	i.signal(syscall.SIGKILL)
	select {
	case <-i.done:
		return nil
	case <-time.After(killPatience):
		return fmt.Errorf("stop node %q: process %d is still there %v after SIGKILL", i.id, i.PID(), killPatience)
	}
}

// signal sends a signal to the whole process group.
func (i *instance) signal(s syscall.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.empty {
		_ = syscall.Kill(-i.PID(), s) // it fails when the group has just ended
	}
}

// wait returns when the first process and its whole group have ended, with the error of the first one.
func (i *instance) wait() error {
	err := i.cmd.Wait()
	i.endGroup()
	return err
}

// endGroup waits until the process group is empty. When the node was not asked to end, its other processes are killed:
// what a crashed node has started must not continue without it.
func (i *instance) endGroup() {
	select {
	case <-i.asked:
	default:
		i.signal(syscall.SIGKILL)
	}
	for wait := time.Millisecond; groupAlive(i.PID()); wait = min(2*wait, groupPoll) {
		time.Sleep(wait) // the kernel reports the end of a process to its parent only, and these have lost theirs
		collectOrphans(i.PID())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.empty = true
}

// awaitOutput waits until the output was copied, but not longer than outputPatience.
func (i *instance) awaitOutput(output *os.File, copied <-chan struct{}) {
	timeout := time.AfterFunc(outputPatience, func() { output.SetReadDeadline(time.Now()) })
	<-copied
	timeout.Stop()
	output.Close()
}

// finish makes Done and Err report the end of the node.
func (i *instance) finish(err error) {
	i.err = err
	close(i.done)
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

// collectOrphans collects the ended processes of a group whose first process was collected already. Tenfold is their
// parent only when it is the first process of a container.
func collectOrphans(group int) {
	for {
		if pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
