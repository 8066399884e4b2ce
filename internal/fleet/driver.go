package fleet

import (
	"context"
	"errors"
)

// Driver makes single nodes. It knows nothing of services, sizes or restarts: those are the fleet's.
//
// Start returns as soon as the node exists; whether it serves is asked elsewhere. When ctx ends before that, Start
// returns its error and leaves nothing behind; afterwards ctx has no say over the node. An error that trying again
// cannot mend wraps [ErrNotRunnable]. Start may be called concurrently.
type Driver interface {
	Start(ctx context.Context, spec Spec) (Instance, error)
}

// Spec says what to start.
type Spec struct {
	ID     string   // its name, unique in the driver's life; for example "shop-3"
	Run    []string // the command and its arguments
	Dir    string   // working directory; "" is the driver's own
	Env    []string // KEY=VALUE, added to the driver's own environment; of two with one key the later counts
	Serves bool     // it listens: the driver chooses its address and tells it by PORT and HOST
}

// Instance is one node that a driver started. All methods may be called concurrently.
type Instance interface {
	Address() string       // host:port that it was told to listen on; "" when it does not serve
	PID() int              // its process on this machine, else 0
	Done() <-chan struct{} // closed when it is gone, with everything that it started
	Err() error            // how it ended, usually an *ExitError; nil before Done is closed and never nil after
	// Stop asks the node to end, forces it once ctx ends, and returns when it is gone. The error says that it is not.
	Stop(ctx context.Context) error
}

// ErrNotRunnable is wrapped by errors of Driver.Start that stay the same however often it is tried: no such command, no
// permission to run it.
var ErrNotRunnable = errors.New("not runnable")

// ExitError is how a node ended.
type ExitError struct {
	Reason string   // "exit status 1", "killed by SIGKILL"
	Output []string // the last lines that it wrote, oldest first
}

func (e *ExitError) Error() string { return e.Reason }

// Traffic is what the fleet asks of whoever sends requests to its nodes. Both methods may be called concurrently, and
// for a node that has not yet come out of [Fleet.Watch].
//
// When it also has a method InFlight(id string) int, the fleet scales in the node with the fewest requests in flight.
type Traffic interface {
	// AwaitReady returns nil once the node answers its probe, and when ctx ends its cause, with why the node is not ready.
	AwaitReady(ctx context.Context, service, id string) error
	// Drain sends nothing new to the node and returns when its old requests are finished, or, once ctx ends, after
	// cancelling them.
	Drain(ctx context.Context, service, id string) error
}
