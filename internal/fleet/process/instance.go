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

	"github.com/tenfold-go/tenfold/internal/fleet"
)

const (
	killPatience   = 10 * time.Second // for the kernel to end what was sent SIGKILL; a process that waits for a dead disk stays
	outputPatience = time.Second      // for the end of the output when an escaped process still holds the pipe
	groupPoll      = 50 * time.Millisecond
)

// instance is one process group, and everything that came out of it.
type instance struct {
	driver *Driver
	id     string
	port   int // 0 when it does not serve
	cmd    *exec.Cmd

	asked chan struct{} // closed when it was asked to end
	ask   sync.Once

	mu    sync.Mutex
	empty bool // the group has no process any more, and its number may be another's

	done chan struct{}
	err  error // set before done is closed
}

func newInstance(d *Driver, id string, port int, cmd *exec.Cmd) *instance {
	return &instance{
		driver: d, id: id, port: port, cmd: cmd,
		asked: make(chan struct{}), done: make(chan struct{}),
	}
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
	i.ask.Do(func() {
		close(i.asked)
		i.signal(syscall.SIGTERM)
		i.signal(syscall.SIGCONT) // one that is stopped could not react
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

// run is the life of the process after its start: it waits for the first process, for its group, for what left the
// group and for the rest of the output, in this order.
func (i *instance) run(read *os.File) {
	lines := newTail(i.driver.output, i.id)
	ended := make(chan struct{})
	go func() { lines.copy(read); close(ended) }()

	err := i.cmd.Wait()
	i.endGroup()
	i.driver.forget(i)
	if err := sweep(nodeMark(i.driver.mark, i.id), nil, sweepPatience); err != nil {
		i.driver.log.Error("node left processes behind", "node", i.id, "error", err)
	}
	late := time.AfterFunc(outputPatience, func() { read.SetReadDeadline(time.Now()) })
	<-ended
	late.Stop()
	read.Close()
	i.err = &fleet.ExitError{Reason: reason(i.cmd.ProcessState, err), Output: lines.last()}
	close(i.done)
}

// endGroup waits until the process group is empty. When nobody asked the node to end it is killed: what a crashed node
// started must not go on without it.
func (i *instance) endGroup() {
	select {
	case <-i.asked:
	default:
		i.signal(syscall.SIGKILL)
	}
	for wait := time.Millisecond; groupAlive(i.PID()); wait = min(2*wait, groupPoll) {
		time.Sleep(wait) // only a parent is told of an end, and these lost theirs
		collectOrphans(i.PID())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.empty = true
}

// signal sends a signal to the whole process group.
func (i *instance) signal(s syscall.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.empty {
		_ = syscall.Kill(-i.PID(), s) // it fails when there is nobody left to get it
	}
}

// reason says how the first process ended, in the words of a shell's user.
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

// collectOrphans collects the dead of a group whose first process is collected already. Tenfold is their parent only
// when it is the first process of a container.
func collectOrphans(group int) {
	for {
		if pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}
