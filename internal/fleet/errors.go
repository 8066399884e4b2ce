package fleet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Errors of the methods of a Fleet.
var (
	ErrUnknownService = errors.New("no such service")
	ErrUnknownNode    = errors.New("no such node")

	// ErrStatic refuses to scale or restart a listed service.
	ErrStatic = errors.New("the service lists addresses: tenfold does not start or stop its nodes")
	// ErrRemote refuses to restart a remote service, and to drain one of its nodes.
	ErrRemote = errors.New("another system starts and stops its nodes")
	// ErrBusy refuses to restart a service during a restart, and to drain a node that is being replaced.
	ErrBusy = errors.New("already being replaced")
	// ErrLastReady refuses to drain the last ready node of a list of addresses, unless that is forced.
	ErrLastReady = errors.New("no other node of the service is ready")
	// ErrUndrained ends the drain, the restart or the deploy that has drained a node which was undrained then.
	ErrUndrained = node.ErrUndrained
	// ErrNotDraining refuses to undrain a node that does not drain.
	ErrNotDraining = errors.New("the node does not drain")
	// ErrEnding refuses to undrain a node that ends already.
	ErrEnding = errors.New("its requests have finished, and it ends")
	// ErrSize refuses a size outside of nodes: MIN..MAX.
	ErrSize = errors.New("size outside of its range")
	// ErrRolledBack refuses to update a service that was rolled back: it keeps its version until the next deploy.
	ErrRolledBack = errors.New("the service was rolled back")
	// ErrNoPrevious refuses to roll back a service without a previous version.
	ErrNoPrevious = errors.New("no previous version is kept")
	// ErrCanary refuses to deploy or update a service while another version gets a share of its requests.
	ErrCanary = errors.New("a deploy to a share is not finished: promote it, or roll it back")
	// ErrNoCanary refuses to promote without a canary.
	ErrNoCanary = errors.New("no version gets a share of the requests")
	// ErrWorker refuses to give a version of a worker a share of the requests.
	ErrWorker = errors.New("a worker gets no requests, and no share of them: deploy it without a share")
	// ErrNotRunning refuses to restart or drain before and after Run.
	ErrNotRunning = errors.New("the fleet is not running")
)

// StartError says that a service cannot start at all: its command cannot be run, or none of its nodes
// became ready and they ended again and again. Run returns it when this is true of all services.
type StartError struct {
	Service string
	Command []string
	Dir     string
	Before  bool     // Command is that of before, not that of a node
	Tries   int      // how often it was started
	Output  []string // the last lines of the last try
	Err     error    // how the last try ended
}

func (e *StartError) Error() string {
	if errors.Is(e.Err, ErrNotRunnable) {
		return fmt.Sprintf("start service %q: %v", e.Service, e.Err)
	}
	if e.Before {
		return fmt.Sprintf("start service %q: its before command failed %d times: %v", e.Service, e.Tries, e.Err)
	}
	return fmt.Sprintf("start service %q: %s ended %d times before it was ready: %v", e.Service, e.line(), e.Tries, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }

// Hint says what to look at next, with the last output of the command.
func (e *StartError) Hint() string {
	if errors.Is(e.Err, ErrNotRunnable) {
		return fmt.Sprintf("is %q installed, on the PATH and executable? A relative path starts at %s", e.Command[0], e.dir())
	}
	if e.Before {
		return fmt.Sprintf("run it by hand in %s: %s", e.dir(), e.line())
	}
	hint := fmt.Sprintf("run it by hand in %s: PORT=8081 HOST=127.0.0.1 %s", e.dir(), e.line())
	if len(e.Output) == 0 {
		return hint + " (it wrote nothing)"
	}
	return hint + "\nit wrote last:\n  " + strings.Join(e.Output, "\n  ")
}

// line is the command as a person would type it in a shell.
func (e *StartError) line() string {
	return quoteWords(e.Command)
}

// quoteWords joins the words of a command as a person would type them in a shell.
func quoteWords(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		if word == "" || strings.ContainsFunc(word, needsQuotes) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words[i] = word
	}
	return strings.Join(words, " ")
}

// needsQuotes reports whether a character may have a meaning in a shell.
func needsQuotes(r rune) bool {
	plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r)
	return !plain
}

func (e *StartError) dir() string {
	if e.Dir == "" {
		return "the working directory"
	}
	return e.Dir
}

// NodeError says that a new node failed before it was ready.
type NodeError struct {
	Node   string
	Output []string // its last lines, oldest first
	Err    error    // how it failed
}

// Error has the last lines of the node: they say more than how the node ended.
func (e *NodeError) Error() string {
	return fmt.Sprintf("new node %q: %v%s", e.Node, e.Err, wroteLast(e.Err, e.Output))
}

func (e *NodeError) Unwrap() error { return e.Err }

// wroteLast continues the text of an error with the last lines of a process.
func wroteLast(err error, output []string) string {
	switch {
	case len(output) > 0:
	case errors.Is(err, ErrNotRunnable):
		return "" // there was no process
	default:
		return "; it wrote nothing"
	}
	return "; it wrote last:\n  " + strings.Join(output, "\n  ")
}

// lastOutput returns the last lines of the node that an error is about.
func lastOutput(err error) []string {
	if e := (*ExitError)(nil); errors.As(err, &e) {
		return e.Output
	}
	if e := (*outputError)(nil); errors.As(err, &e) {
		return e.output
	}
	return nil
}

// outputError is the error of a node that had to be stopped, with its last lines.
type outputError struct {
	error
	output []string
}

func (e *outputError) Unwrap() error { return e.error }

// withOutput adds the last lines of a node that was stopped to the error that it was stopped for.
func withOutput(err error, i Instance) error {
	if output := lastOutput(i.Err()); len(output) > 0 && lastOutput(err) == nil {
		return &outputError{err, output}
	}
	return err
}
