package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	logfile "github.com/tenfold-go/tenfold/internal/output"
	"github.com/tenfold-go/tenfold/internal/succession"
)

// terminal is what a verb uses of the process that it runs in. The context of a verb ends on the first signal.
type terminal struct {
	killed <-chan struct{} // closed on the second signal; nil means never
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	predecessor *succession.Predecessor // the tenfold that this one succeeds; nil for none

	progress sync.Mutex  // of the progress line on stderr
	serving  atomic.Bool // nodes were started: the process must end them first
}

// untilKilled returns a context that ends on the second signal, not on the first one. It is for work that may still
// finish after ctx has ended. The caller must call the function that it returns.
func (t *terminal) untilKilled(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-t.killed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// isTerminal reports whether w is a terminal, where a person reads.
func isTerminal(w io.Writer) bool {
	file, ok := unwrap(w).(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// shown is a text from outside, as it is printed to w.
func shown(w io.Writer, text string) string {
	if !isTerminal(w) {
		return text
	}
	return string(logfile.ForTerminal([]byte(text)))
}

// Exit codes, the same for every verb.
const (
	exitError  = 1 // the verb failed
	exitUsage  = 2 // the command line or the file is wrong; nothing was started
	exitMissed = 3 // the verb worked, but a goal was missed; CI can act on it
)

// printError writes err and its hint, and returns the exit code.
func printError(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintf(w, "tenfold: %s\n", shown(w, err.Error())) // it may have the last lines of a node
	}
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", shown(w, h))
	}
	return exitCode(err)
}

// hint returns the hint of an error, or "".
func hint(err error) string {
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// exitCode returns the exit code of an error.
func exitCode(err error) int {
	if c := (interface{ ExitCode() int })(nil); errors.As(err, &c) {
		return c.ExitCode()
	}
	return exitError
}

// usageError says that the command line or the file is wrong: exit code 2.
func usageError(err error, hint string) error { return &failure{err, hint, exitUsage} }

// hinted adds to an error what to do next: exit code 1.
func hinted(err error, hint string) error { return &failure{err, hint, exitError} }

// failure is an error with its hint and its exit code. Packages that know a hint give their error types a method Hint.
type failure struct {
	error
	hint string // "" for the hint of the error itself
	code int
}

func (f *failure) Hint() string {
	h := (interface{ Hint() string })(nil)
	if f.hint == "" && errors.As(f.error, &h) {
		return h.Hint()
	}
	return f.hint
}

func (f *failure) ExitCode() int { return f.code }
func (f *failure) Unwrap() error { return f.error }
