// Package process is the fleet's driver for programs on this machine.
//
// Each node is an own process group. To end a node, the driver sends SIGTERM to the whole group, and SIGKILL when it
// does not end in time. When the first process of a node ends, the others are ended, too. A node runs in the
// foreground: a command that puts itself into the background counts as ended. The output of a node is passed on line by
// line, with its id in front.
//
// # No process is left behind
//
// A node has TENFOLD_FLEET in its environment, and so has everything that it starts: the tag of the fleet and of the
// node. When a node ends, every process that still has its tag is killed, even outside of the process group.
//
// Two safeguards end the nodes when tenfold itself is killed. They exist on Linux only:
//
//   - The kernel kills the first process of each node together with its parent (PR_SET_PDEATHSIG).
//   - The reaper is a small second process of the same program. It shares only a pipe with tenfold. When the pipe closes,
//     the reaper kills the group of each node and every process with the tag of the fleet.
//
// A process escapes when it both leaves its group and clears its environment. Other systems have neither the tag nor
// the safeguards: processes that leave the group stay there, and so do the nodes of a killed tenfold.
package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// Options tune a Driver. Zero fields mean their defaults.
type Options struct {
	// Output receives each line of a node, without the line end. Several nodes may call it at the same time. A node that
	// writes waits while Output does not return. Output must not keep the line. Default: discard.
	Output func(node string, line []byte)
	Log    *slog.Logger // default: discard
	// Reaper is the command line, with an absolute path, of a program that calls [RunReaper] with its standard input:
	// this program, with a verb for it. Default: no reaper, only the kernel ends the nodes of a killed tenfold.
	Reaper []string
}

// Driver starts nodes as processes. It implements [fleet.Driver]. Close must be called when all nodes have stopped.
type Driver struct {
	opts Options
	log  *slog.Logger
	tag  string // random; in the environment of every node

	starts chan func()    // calls for the thread that forks
	ended  chan struct{}  // closed with the driver
	wg     sync.WaitGroup // the forking thread, and one goroutine of each instance

	mu        sync.Mutex
	begun     bool
	closed    bool
	instances map[*instance]bool // those whose process group exists
	reaper    *reaper            // nil before the first start
}

// New makes a driver. It starts its threads and the reaper at the first Start.
func New(o *Options) (*Driver, error) {
	if o == nil {
		o = &Options{}
	}
	d := &Driver{
		opts: *o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), tag: rand.Text(),
		starts: make(chan func()), ended: make(chan struct{}), instances: map[*instance]bool{},
	}
	if d.opts.Output == nil {
		d.opts.Output = func(string, []byte) {}
	}
	return d, nil
}

// Start starts one process. It looks for Run[0] in the PATH of tenfold, or, when it is a path, relative to Dir.
func (d *Driver) Start(ctx context.Context, spec fleet.Spec) (fleet.Instance, error) {
	switch {
	case len(spec.Run) == 0:
		return nil, fmt.Errorf("start node %q: no command: %w", spec.ID, fleet.ErrNotRunnable)
	case spec.ID == "" || strings.ContainsAny(spec.ID, ",/\n\x00"): // they separate tags and lines
		return nil, fmt.Errorf("start node %q: bad id: %w", spec.ID, fleet.ErrNotRunnable)
	}
	d.begin()
	var i *instance
	var err error
	made := make(chan struct{})
	select {
	case d.starts <- func() { i, err = d.start(ctx, spec); close(made) }:
		<-made
	case <-ctx.Done():
		err = ctx.Err()
	case <-d.ended:
		err = errClosed
	}
	if err != nil {
		return nil, fmt.Errorf("start node %q: %w", spec.ID, err)
	}
	return i, nil
}

var errClosed = errors.New("driver is closed")

// begin starts what all nodes share, once.
func (d *Driver) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun || d.closed {
		return
	}
	d.begun = true
	d.wg.Go(d.fork)
}

// fork is the only thread that makes processes. The kernel sends PDEATHSIG when the thread that forked ends, not when
// its process ends. So this thread must live as long as the nodes. It ends with the driver, after the last node.
func (d *Driver) fork() {
	runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
	for {
		select {
		case start := <-d.starts:
			start()
		case <-d.ended:
			return
		}
	}
}

// start makes the process. It runs on the forking thread.
func (d *Driver) start(ctx context.Context, spec fleet.Spec) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock() // a start is short: it ends with exec, before the node is ready
	if d.closed {
		return nil, errClosed
	}
	if err := d.ensureReaper(); err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	port := 0
	if spec.Serves {
		var err error
		if port, err = freePort(d.portTaken); err != nil {
			return nil, err
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close() // the process has its own copy
	cmd := newCommand(spec, port, d.tag, write)
	if err := cmd.Start(); err != nil {
		read.Close()
		return nil, markNotRunnable(err)
	}
	i := newInstance(spec.ID, port, cmd)
	d.instances[i] = true
	d.reaper.tell('+', i.PID())
	d.wg.Go(func() { d.follow(i, read) })
	return i, nil
}

// follow waits for the end of a node, and for everything that came out of it. output is the reading end of its output.
func (d *Driver) follow(i *instance, output *os.File) {
	lines := newTail(d.opts.Output, i.id)
	copied := make(chan struct{})
	go func() { lines.copy(output); close(copied) }()

	err := i.wait()
	d.forget(i)
	if err := sweep(nodeTag(d.tag, i.id), nil, sweepPatience); err != nil {
		d.log.Error("processes of a node do not end", "node", i.id, "err", err)
	}
	i.awaitOutput(output, copied)
	i.finish(&fleet.ExitError{Reason: reason(i.cmd.ProcessState, err), Output: lines.last()})
}

// forget removes an instance whose process group is gone.
func (d *Driver) forget(i *instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.instances, i)
	d.reaper.tell('-', i.PID())
}

func (d *Driver) portTaken(port int) bool {
	for i := range d.instances {
		if i.port == port {
			return true
		}
	}
	return false
}

// Close kills the nodes that still run, waits for them, kills every other process with the tag, and ends the reaper.
// Start fails after it.
func (d *Driver) Close() error {
	running, first := d.shut()
	if !first {
		return nil
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	errs := make([]error, len(running))
	var stops sync.WaitGroup
	for n, i := range running {
		stops.Go(func() { errs[n] = i.Stop(now) })
	}
	stops.Wait()
	close(d.ended)
	if err := errors.Join(errs...); err != nil {
		return err // the nodes do not end on SIGKILL: the reaper continues when this process has ended
	}
	d.wg.Wait()
	if d.begun {
		errs = append(errs, sweep(d.tag, nil, sweepPatience), d.reaper.close())
	}
	return errors.Join(errs...)
}

// shut makes every later Start fail and returns the running nodes. first is false when the driver was shut before.
func (d *Driver) shut() (running []*instance, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, false
	}
	d.closed = true
	return slices.Collect(maps.Keys(d.instances)), true
}
