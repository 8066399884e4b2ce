package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// newCommand makes the command of a node. Both its outputs go to output. tag is the tag of the fleet.
func newCommand(spec fleet.Spec, port int, tag string, output *os.File) *exec.Cmd {
	cmd := exec.Command(spec.Run[0], spec.Run[1:]...)
	cmd.Dir = spec.Dir
	cmd.Env = environ(spec, port, tag)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = attributes()
	return cmd
}

// environ is the environment of tenfold, then what the spec adds, then what only the driver knows.
func environ(spec fleet.Spec, port int, tag string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PORT=") // it is the port of tenfold, not of the node
	})
	env = append(env, spec.Env...)
	if spec.Serves {
		env = append(env, fmt.Sprintf("PORT=%d", port), "HOST="+loopback)
	}
	return append(env, tagVariable+"="+addTag(os.Getenv(tagVariable), nodeTag(tag, spec.ID)))
}

// markNotRunnable marks the errors that every other try would return, too.
func markNotRunnable(err error) error {
	for _, e := range []error{exec.ErrNotFound, exec.ErrDot, fs.ErrNotExist, fs.ErrPermission, syscall.ENOEXEC,
		syscall.ENOTDIR, syscall.EISDIR, syscall.E2BIG, syscall.EINVAL} {
		if errors.Is(err, e) {
			return &notRunnableError{err}
		}
	}
	return err
}

// notRunnableError is fleet.ErrNotRunnable with the text of the operating system.
type notRunnableError struct{ error }

func (e *notRunnableError) Unwrap() []error { return []error{e.error, fleet.ErrNotRunnable} }
