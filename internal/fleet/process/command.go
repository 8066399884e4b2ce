package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// newChild says how the node of a spec is started by a user. tag is the tag of the fleet. It fails when the command is not
// found.
func newChild(spec fleet.Spec, port int, tag string, user account) (*child, error) {
	cmd := exec.Command(spec.Run[0], spec.Run[1:]...)
	cmd.Dir = spec.Dir
	cmd.Env = environ(spec, port, tag, user)
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	c := &child{Path: cmd.Path, Args: cmd.Args, Env: cmd.Environ(), Dir: cmd.Dir, Tag: nodeTag(tag, spec.ID)}
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil { // "" is the working directory
		return nil, err
	}
	return c, nil
}

// environ is the environment of tenfold, then that of the user, then what the spec adds, then what only the driver knows.
func environ(spec fleet.Spec, port int, tag string, user account) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PORT=") // it is the port of tenfold, not of the node
	})
	env = append(env, user.env()...)
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
