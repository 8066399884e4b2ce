package main

import (
	"errors"
	"os"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/server"
	"github.com/tenfold-go/tenfold/internal/succession"
	"github.com/tenfold-go/tenfold/internal/systemd"
)

// succeed makes this process the successor of the tenfold that has started it for that, if one has. Standard error is then
// that of tenfold.
func (t *terminal) succeed(interrupted <-chan struct{}) (err error) {
	t.predecessor, err = succession.Inherit(buildVersion())
	if t.predecessor != nil {
		t.stderr = &interruptibleWriter{t.predecessor.Stderr, interrupted}
	}
	return err
}

// inherit returns what this process has from its predecessor, or nil.
func (t *terminal) inherit() (*server.Inherited, error) {
	if t.predecessor == nil {
		return nil, nil
	}
	return server.Inherit(t.predecessor)
}

// describeFailure is the text of an error for the predecessor, with its hint.
func describeFailure(err error) string {
	var reported *reportedError
	if errors.As(err, &reported) {
		err = reported.err
	}
	var b strings.Builder
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		b.WriteString("the running configuration is not valid for it: ")
	}
	b.WriteString(err.Error())
	if h := hint(err); h != "" {
		b.WriteString("\nhint: " + h)
	}
	return b.String()
}

// reportedError is an error that was printed already. It has no text, so that it is not printed again.
type reportedError struct{ err error }

func (e *reportedError) Error() string { return "" }
func (e *reportedError) ExitCode() int { return exitCode(e.err) }

// newProgram returns what says how the successor of this process is started: the program at the same path, as it is on the
// disk then, with the same arguments.
func newProgram(t *terminal, notifier *systemd.Notifier) (func() succession.Program, error) {
	path, err := programPath()
	if err != nil {
		return nil, err
	}
	stderr, ok := unwrap(t.stderr).(*os.File)
	if !ok {
		stderr = os.Stderr
	}
	return func() succession.Program {
		return succession.Program{Path: path, Args: os.Args, Env: append(os.Environ(), notifier.Environment()...), Stderr: stderr}
	}, nil
}
