// Package process is the fleet's driver for programs on this machine.
//
// Each node is a process group of its own: it is asked to end with SIGTERM and forced with SIGKILL, both to the whole
// group, and when its first process ends the others are ended too. A node runs in the foreground: a command that puts
// itself into the background counts as ended. Its output comes out line by line with its id in front.
//
// # Nothing stays behind
//
// A node carries TENFOLD_FLEET in its environment, and so does everything that it starts. When a node ends, whatever
// still carries its mark is killed, also what left the process group. For the case that tenfold itself is killed there
// are two belts, on Linux only: the kernel kills each node's first process with its parent (PR_SET_PDEATHSIG), and a
// keeper, a tiny second process of the same program that shares nothing with the first but a pipe, sees the pipe close
// and kills every node's group and whatever carries the fleet's mark. One thing escapes: a process that leaves its
// group and clears its environment, both. On other systems there is neither mark nor belt: what leaves the group stays,
// and so do the nodes of a killed tenfold.
package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// Options are all optional.
type Options struct {
	Output io.Writer    // where the nodes' lines go, one Write each, never two at once; default: nowhere
	Log    *slog.Logger // default: discarded
	// Keeper is the command line (an absolute path) of a program that calls [Keeper] with its standard input: this one,
	// with a verb for it. Default: no keeper, only the kernel's belt.
	Keeper []string
}

// Driver starts nodes as processes. It satisfies [fleet.Driver]. Close it when all nodes are stopped.
type Driver struct {
	opts   Options
	log    *slog.Logger
	mark   string // random; in the environment of every node
	output *output

	starts chan func()    // to the thread that forks
	ended  chan struct{}  // closed with the driver
	wg     sync.WaitGroup // the forking thread and one of each instance

	mu        sync.Mutex
	begun     bool
	closed    bool
	instances map[*instance]bool // those whose group runs
	keeper    *keeper            // nil before the first start
}

// New makes a driver. Threads and the keeper begin with the first Start.
func New(o *Options) (*Driver, error) {
	if o == nil {
		o = &Options{}
	}
	d := &Driver{
		opts: *o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), mark: rand.Text(),
		output: newOutput(o.Output), starts: make(chan func()), ended: make(chan struct{}),
		instances: map[*instance]bool{},
	}
	return d, nil
}

// Start starts one process. Run[0] is looked up in tenfold's own PATH, or is a path that is relative to Dir.
func (d *Driver) Start(ctx context.Context, spec fleet.Spec) (fleet.Instance, error) {
	switch {
	case len(spec.Run) == 0:
		return nil, fmt.Errorf("start node %q: no command: %w", spec.ID, fleet.ErrNotRunnable)
	case spec.ID == "" || strings.ContainsAny(spec.ID, ",/\n\x00"): // they separate marks and lines
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

// begin starts what all nodes share, once.
func (d *Driver) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun || d.closed {
		return
	}
	d.begun = true
	d.wg.Go(d.fork)
	go d.output.run() // until output.close
}

var errClosed = errors.New("driver is closed")

// fork is the one thread that makes processes. The kernel sends PDEATHSIG when the thread that forked ends, not the
// process, so this one must live as long as the nodes; it ends with the driver, after the last of them.
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

// start makes the process; it runs on the forking thread.
func (d *Driver) start(ctx context.Context, spec fleet.Spec) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock() // a start is short: it ends with exec, not with the node being ready
	if d.closed {
		return nil, errClosed
	}
	if err := d.keep(); err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
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
	defer write.Close() // the process has its own
	cmd := exec.Command(spec.Run[0], spec.Run[1:]...)
	cmd.Dir = spec.Dir
	cmd.Env = d.environ(spec, port)
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		read.Close()
		return nil, runnable(err)
	}
	i := newInstance(d, spec.ID, port, cmd)
	d.instances[i] = true
	d.keeper.tell('+', i.PID())
	d.wg.Go(func() { i.run(read) })
	return i, nil
}

// environ is tenfold's own environment, what the spec adds, and what only this driver knows.
func (d *Driver) environ(spec fleet.Spec, port int) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PORT=") // tenfold's own says nothing about its nodes
	})
	env = append(env, spec.Env...)
	if spec.Serves {
		env = append(env, fmt.Sprintf("PORT=%d", port), "HOST="+loopback)
	}
	return append(env, markVariable+"="+addMark(os.Getenv(markVariable), nodeMark(d.mark, spec.ID)))
}

// runnable marks the errors that stay the same however often a start is tried.
func runnable(err error) error {
	for _, e := range []error{exec.ErrNotFound, exec.ErrDot, fs.ErrNotExist, fs.ErrPermission, syscall.ENOEXEC,
		syscall.ENOTDIR, syscall.EISDIR, syscall.E2BIG, syscall.EINVAL} {
		if errors.Is(err, e) {
			return &notRunnable{err}
		}
	}
	return err
}

// notRunnable is fleet.ErrNotRunnable in the system's words.
type notRunnable struct{ error }

func (e *notRunnable) Unwrap() []error { return []error{e.error, fleet.ErrNotRunnable} }

// forget takes an instance whose group is gone off the list.
func (d *Driver) forget(i *instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.instances, i)
	d.keeper.tell('-', i.PID())
}

func (d *Driver) portTaken(port int) bool {
	for i := range d.instances {
		if i.port == port {
			return true
		}
	}
	return false
}

// Close kills what still runs, waits for it, sweeps up and ends the keeper. No Start succeeds after it.
func (d *Driver) Close() error {
	left, first := d.shut()
	if !first {
		return nil
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	errs := make([]error, len(left))
	var stops sync.WaitGroup
	for n, i := range left {
		stops.Go(func() { errs[n] = i.Stop(now) })
	}
	stops.Wait()
	close(d.ended)
	if err := errors.Join(errs...); err != nil {
		return err // to wait for them would be for ever; the keeper goes on with it when this process ends
	}
	d.wg.Wait()
	if d.begun {
		errs = append(errs, sweep(d.mark, nil, sweepPatience), d.keeper.close())
		d.output.close()
	}
	return errors.Join(errs...)
}

// shut lets no further Start through and returns what runs; first is false when that was done before.
func (d *Driver) shut() (left []*instance, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, false
	}
	d.closed = true
	return slices.Collect(maps.Keys(d.instances)), true
}
