// Package process is the fleet's driver for programs on this machine.
//
// Each node is an own process group. To end a node, the driver sends SIGTERM to the whole group, and SIGKILL when it
// does not end in time. When the first process of a node ends, the others are ended, too. A node runs in the
// foreground: a command that puts itself into the background counts as ended. The output of a node is passed on line by
// line, with its id in front.
//
// # The reaper
//
// On Linux, the parent of all nodes is the reaper: a small second process of the same program (reaper.go). It is connected
// to tenfold by a socket (wire.go), over which it gets commands to start and stop nodes, and reports how they end. So nodes
// can outlive the tenfold that has asked for them: a successor takes over the connection.
//
// When the reaper ends unasked, all its nodes end. The driver kills what they have started, and the next Start starts
// another reaper.
//
// # No process is left behind
//
// A node has TENFOLD_FLEET in its environment, and so has everything that it starts: the tag of the fleet and of the
// node. When a node ends, every process that still has its tag is killed, even outside of the process group.
//
// Two safeguards end the nodes when tenfold itself is killed. They exist on Linux only:
//
//   - When the connection to tenfold ends, the reaper kills the group of each node and every process with the tag of the
//     fleet.
//   - The kernel kills the first process of each node together with its parent (PR_SET_PDEATHSIG).
//
// A process escapes when it both leaves its group and clears its environment. Other systems have neither the reaper nor
// the tag: nodes are children of tenfold, and stay when it is killed.
package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// Options tune a Driver. Zero fields mean their defaults.
type Options struct {
	// Output receives each line of a node, without the line end, and the stream, Stdout or Stderr. Several nodes may call
	// it at the same time. A node that writes waits while Output does not return. Output must not keep the line. Default:
	// discard.
	Output func(node, stream string, line []byte)
	Log    *slog.Logger // default: discard
	// Reaper is the command line, with an absolute path, of a program that calls [RunReaper] with its standard input:
	// this program, with a verb for it. Default: no reaper. This process is then the parent of the nodes, and only the
	// kernel ends them when it is killed.
	Reaper []string
	// Limiter is the command line, with an absolute path, of a program that calls [RunLimited] with its further arguments.
	// Default: none; nodes with limits do not start.
	Limiter []string
}

// Driver starts nodes as processes. It implements [fleet.Driver]. Close must be called when all nodes have stopped.
type Driver struct {
	opts Options
	log  *slog.Logger
	tag  string // random; in the environment of every node

	wg sync.WaitGroup // one goroutine of each instance, and one of each reaper

	gate     sync.RWMutex  // read-locked by what starts and stops nodes; locked during a handover
	released chan struct{} // closed when a successor has the nodes

	memory memoryWatch

	limitsMu     sync.Mutex
	tried        map[string]bool // limits that were applied before
	cgroups      *cgroups        // nil for none
	cgroupsTried bool

	mu        sync.Mutex
	closed    bool
	instances map[string]*instance // by id: those that are being started or run
	parent    parent               // nil before the first start
	swept     chan struct{}        // of the reaper that is parent: closed when it has ended and left nothing
}

// New makes a driver. It starts its threads and the reaper at the first Start.
func New(o *Options) (*Driver, error) {
	if o == nil {
		o = &Options{}
	}
	d := &Driver{
		opts: *o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), tag: rand.Text(), instances: map[string]*instance{},
		released: make(chan struct{}), tried: map[string]bool{}, memory: newMemoryWatch(),
	}
	if d.opts.Output == nil {
		d.opts.Output = func(string, string, []byte) {}
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
	i, err := d.start(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("start node %q: %w", spec.ID, err)
	}
	return i, nil
}

var errClosed = errors.New("driver is closed")

func (d *Driver) start(ctx context.Context, spec fleet.Spec) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.awaitSweep()
	d.gate.RLock()
	defer d.gate.RUnlock()
	if d.hasReleased() {
		return nil, errReleased
	}
	i, err := d.reserve(spec)
	if err != nil {
		return nil, err
	}
	pid, err := d.launch(ctx, i, spec)
	if err != nil {
		d.forget(i)
		return nil, err
	}
	d.mu.Lock()
	i.pid = pid // watchReaper and Offer read it
	d.mu.Unlock()
	return i, nil
}

// reserve makes the instance with its port and its parent.
func (d *Driver) reserve(spec fleet.Spec) (*instance, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	if d.instances[spec.ID] != nil {
		return nil, errors.New("a node with this id runs already")
	}
	if err := d.ensureParent(); err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	port := 0
	if spec.Serves {
		var err error
		if port, err = freePort(d.portTaken); err != nil {
			return nil, err
		}
	}
	i := newInstance(d, spec.ID, port)
	d.instances[i.id] = i
	return i, nil
}

// launch starts the process of an instance. The end of the process may be reported before launch returns.
func (d *Driver) launch(ctx context.Context, i *instance, spec fleet.Spec) (pid int, err error) {
	user, err := accountOf(spec.Limits.User)
	if err != nil {
		return 0, &notRunnableError{err}
	}
	c, err := newChild(spec, i.port, d.tag, user)
	if err != nil {
		return 0, markNotRunnable(err)
	}
	if err := d.limit(i.id, c, spec.Limits, user); err != nil {
		return 0, err
	}
	p, err := newPipes()
	if err != nil {
		return 0, err
	}
	defer p.closeWrites()
	if pid, err = i.parent.start(ctx, i.id, c, p); err != nil {
		p.reads().close()
		return 0, markNotRunnable(err)
	}
	i.outputs = p.reads()
	d.wg.Go(func() { d.follow(i) })
	return pid, nil
}

// follow waits for the end of a node, and for everything that came out of it, or until a successor has the node.
func (d *Driver) follow(i *instance) {
	lines := newTail(d.opts.Output, i.id)
	copied := lines.copyAll(i.outputs)
	select {
	case <-i.exited:
	case <-d.released:
		i.outputs.interrupt()
		<-copied
		i.outputs.close()
		d.memory.forget(i)
		return
	}
	d.forget(i)
	if i.exit.Left != "" {
		d.log.Error("processes of a node do not end", "node", i.id, "err", i.exit.Left)
	}
	awaitOutput(i.outputs, copied)
	i.finish(&fleet.ExitError{Reason: i.exit.Reason, Output: lines.last()})
}

// nodeEnded is called by the parent of a node.
func (d *Driver) nodeEnded(id string, e exit) {
	d.mu.Lock()
	i := d.instances[id]
	d.mu.Unlock()
	if i != nil {
		i.report(e)
	}
}

// forget removes an instance whose process group is gone.
func (d *Driver) forget(i *instance) {
	d.memory.forget(i)
	d.removeCgroup(i.id)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.instances, i.id)
}

func (d *Driver) portTaken(port int) bool {
	for _, i := range d.instances {
		if i.port == port {
			return true
		}
	}
	return false
}

// Close kills the nodes that still run, waits for them, kills every other process with the tag, and ends the reaper.
// Start fails after it. Close leaves alone the nodes that a successor has, and those that a predecessor has still.
func (d *Driver) Close() error {
	running, first := d.shut()
	if !first {
		return nil
	}
	if r, ok := d.parent.(*remote); ok && (d.hasReleased() || !r.owns()) {
		r.leave()
		d.wg.Wait()
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
	if err := errors.Join(errs...); err != nil {
		return err // the nodes do not end on SIGKILL: the reaper continues when this process has ended
	}
	if d.parent != nil {
		errs = append(errs, d.parent.close(), sweep(d.tag, nil, sweepPatience))
	}
	d.wg.Wait()
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
	return slices.Collect(maps.Values(d.instances)), true
}
