package fleet

import (
	"context"
	"errors"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Driver starts single nodes of owned services. It knows nothing of services, sizes or restarts: the fleet does.
//
// Start returns as soon as the node exists. It does not wait until the node serves. When ctx ends before that, Start
// returns the error of ctx and leaves no node behind. The end of ctx after Start has returned does not end the node. An
// error that another try cannot change wraps [ErrNotRunnable]. Start may be called concurrently.
type Driver interface {
	Start(ctx context.Context, spec Spec) (Instance, error)
}

// Spec says what to start.
type Spec struct {
	ID     string   // unique in the life of the driver, for example "shop-3"
	Run    []string // the command and its arguments
	Dir    string   // working directory; "" is that of the driver
	Env    []string // KEY=VALUE, added to the environment of the driver; the last one of a key counts
	Limits Limits   // what the node may use
	Serves bool     // the node listens: the driver chooses its address and passes it as PORT and HOST
}

// Limits are what one node may use. A zero field is no limit. A driver that cannot apply a limit logs it once.
type Limits struct {
	Memory    int64  // bytes, of all its processes together: see exceededBy
	CPUWeight int    // share of the CPU, compared with 100
	OpenFiles int    // of each process
	User      string // name or number of the user that runs it; a driver that cannot do that returns an error
}

// Instance is one node that a driver started. All methods may be called concurrently.
type Instance interface {
	Address() string       // host:port that the node was told to listen on; "" when it does not serve
	PID() int              // its process on this machine, or 0
	Done() <-chan struct{} // closed when the node and everything that it started has ended
	Err() error            // how it ended, usually an *ExitError; nil before Done is closed, never nil after that
	// Stop asks the node to end, forces it to end when ctx ends, and returns after it has ended. Stop returns an error
	// when the node does not end even then.
	Stop(ctx context.Context) error
}

// exceededBy returns a channel that is closed when a node uses more memory than a limit; nil for never. An Instance that
// can watch its memory has a method Exceeds for it.
func exceededBy(i Instance, memory int64) <-chan struct{} {
	if w, ok := i.(interface {
		Exceeds(memory int64) <-chan struct{}
	}); ok && memory > 0 {
		return w.Exceeds(memory)
	}
	return nil
}

// ErrNotRunnable is wrapped by an error of Driver.Start that every other try would return, too: no such command, no
// permission to run it.
var ErrNotRunnable = errors.New("not runnable")

// ExitError says how a node ended.
type ExitError struct {
	Reason string   // "exit status 0", "exit status 1", "killed by SIGKILL"
	Output []string // the last lines that it wrote, oldest first
}

func (e *ExitError) Error() string { return e.Reason }

// succeeded reports whether a node ended by itself and with the status 0.
func succeeded(err error) bool {
	e := (*ExitError)(nil)
	return errors.As(err, &e) && e.Reason == reasonSuccess
}

const reasonSuccess = "exit status 0"

// Remote is another system that runs the nodes of a service, for example Kubernetes. The fleet tells it how many nodes
// it should run and watches which ones exist. Its methods may be called concurrently.
type Remote interface {
	// Scale sets how many nodes the system should run. It returns when the system has accepted the number.
	Scale(ctx context.Context, nodes int) error
	// Watch sends the current state at once and a new one after each change. A slow reader may miss states, but never
	// the newest one. Watch reconnects after an error. It closes the channel after ctx has ended, and not before.
	Watch(ctx context.Context) <-chan RemoteState
}

// RemoteState is what a Remote knows of one service.
type RemoteState struct {
	Wanted int // how many nodes the system should run
	// Nodes are the nodes that exist. Their ids are unique and never reused. A node that is going to end is Draining.
	// The reader does not change the slice.
	Nodes []node.Node
}

// Traffic is the part of the system that sends requests to the nodes: the gateway. Its methods may be called
// concurrently, and for a node that a reader of [Fleet.Watch] has not seen yet.
//
// When it also has a method InFlight(id string) int, the fleet scales in the node with the fewest requests in flight.
type Traffic interface {
	// AwaitReady returns nil when the node answers its probe. When ctx ends first, it returns the cause of ctx and why
	// the node is not ready.
	AwaitReady(ctx context.Context, service, id string) error
	// Drain sends no new requests to the node and returns when its old requests have finished. When ctx ends first, it
	// cancels them and then returns. When the cause of that is node.ErrUndrained, it returns at once, and they go on.
	Drain(ctx context.Context, service, id string) error
}
