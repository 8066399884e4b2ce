package process

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	killPatience   = 10 * time.Second // how long SIGKILL may take; a process that waits for a broken disk takes longer
	outputPatience = time.Second      // how long to wait for the end of the output, when an escaped process holds the pipe
)

// instance is one node of the driver.
type instance struct {
	id      string
	port    int // 0 when it does not serve
	pid     int
	driver  *Driver
	parent  parent  // has started it
	adopted bool    // from a predecessor
	known   bool    // Adopted was called for it; guarded by Driver.mu
	outputs outputs // set before follow

	askOnce sync.Once

	exitOnce sync.Once
	exited   chan struct{} // closed when its process group has ended
	exit     exit          // set before exited is closed

	done chan struct{} // closed when its output was read, too
	err  error         // set before done is closed
}

// newInstance makes an instance of the current parent. The lock of the driver is held.
func newInstance(d *Driver, id string, port int) *instance {
	return &instance{id: id, port: port, driver: d, parent: d.parent, exited: make(chan struct{}), done: make(chan struct{})}
}

func (i *instance) PID() int              { return i.pid }
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

// Stop sends SIGTERM to the process group and, when ctx ends first, SIGKILL. It does nothing to a node that a successor
// has.
func (i *instance) Stop(ctx context.Context) error {
	i.askOnce.Do(func() { i.tell(i.parent.stop) })
	select {
	case <-i.done:
		return nil
	case <-i.driver.released:
		return nil
	case <-ctx.Done():
	}
	i.tell(i.parent.kill)
	select {
	case <-i.done:
		return nil
	case <-i.driver.released:
		return nil
	case <-time.After(killPatience):
		return fmt.Errorf("stop node %q: process %d is still there %v after SIGKILL", i.id, i.PID(), killPatience)
	}
}

// Exceeds returns a channel that is closed when the processes of the node together use more memory than limit. It returns
// nil, and logs that once, where this system does not show the memory.
func (i *instance) Exceeds(limit int64) <-chan struct{} {
	d := i.driver
	if err := d.memory.measure(nil); err != nil { // a system without /proc
		d.memory.unsupported.Do(func() {
			d.log.Error("a limit of the nodes cannot be applied on this machine", "err", "memory: "+err.Error())
		})
		return nil
	}
	return d.memory.watch(i, limit, func(run func()) { d.wg.Go(run) })
}

// tell calls a function of the parent, after a handover that is in progress. After a handover it does nothing.
func (i *instance) tell(do func(id string)) {
	i.driver.gate.RLock()
	defer i.driver.gate.RUnlock()
	if !i.driver.hasReleased() {
		do(i.id)
	}
}

// report records how the process group has ended. The first report counts.
func (i *instance) report(e exit) {
	i.exitOnce.Do(func() {
		i.exit = e
		close(i.exited)
	})
}

// awaitOutput waits until the output was copied, but not longer than outputPatience.
func awaitOutput(o outputs, copied <-chan struct{}) {
	timeout := time.AfterFunc(outputPatience, o.interrupt)
	<-copied
	timeout.Stop()
	o.close()
}

// finish makes Done and Err report the end of the node.
func (i *instance) finish(err error) {
	i.err = err
	close(i.done)
}
