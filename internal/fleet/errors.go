package fleet

import (
	"errors"
	"fmt"
	"strings"
)

var (
	ErrUnknownService = errors.New("no such service")
	ErrUnknownNode    = errors.New("no such node")
	ErrStatic         = errors.New("its nodes are a list of addresses, not started by tenfold") // of Scale and Restart
	ErrBusy           = errors.New("already being replaced")                                    // of Restart and Drain
	ErrSize           = errors.New("out of its limits")                                         // of Scale
	ErrNotRunning     = errors.New("the fleet is not running")                                  // before and after Run
)

// errNotReady ends a node that runs but does not answer its probe within Options.StartTimeout.
var errNotReady = errors.New("not ready in time")

// StartError is returned by Run when a service cannot be started at all: not one of its nodes ever became ready, and they
// ended by themselves again and again, or the command cannot be run.
type StartError struct {
	Service string
	Command []string
	Dir     string
	Tries   int      // how often a node was started in vain
	Output  []string // the last lines of the last try
	Err     error    // how the last try ended
}

func (e *StartError) Error() string {
	if errors.Is(e.Err, ErrNotRunnable) {
		return fmt.Sprintf("start service %q: %v", e.Service, e.Err)
	}
	return fmt.Sprintf("start service %q: %q ended %d times before it was ready: %v",
		e.Service, strings.Join(e.Command, " "), e.Tries, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }

// Hint says what to look at next.
func (e *StartError) Hint() string {
	if errors.Is(e.Err, ErrNotRunnable) {
		return fmt.Sprintf("is %q installed, on the PATH and executable? A relative path starts at %s", e.Command[0], e.dir())
	}
	hint := fmt.Sprintf("run it by hand in %s: PORT=8081 HOST=127.0.0.1 %s", e.dir(), strings.Join(e.Command, " "))
	if len(e.Output) == 0 {
		return hint + " (it wrote nothing)"
	}
	return hint + "\nit wrote last:\n  " + strings.Join(e.Output, "\n  ")
}

func (e *StartError) dir() string {
	if e.Dir == "" {
		return "the working directory"
	}
	return e.Dir
}
