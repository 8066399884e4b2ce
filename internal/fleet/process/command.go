package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// newChild says how the node of a spec is started by a user. tag is the tag of the fleet. It fails when the command is not
// found.
func newChild(spec fleet.Spec, port int, tag string, user account) (*child, error) {
	run := spec.Run
	if spec.Serves {
		run = withPort(run, port)
	}
	cmd := exec.Command(run[0], run[1:]...)
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

var (
	portReference = regexp.MustCompile(`\$(?:(PORT|HOST)\b|\{(PORT|HOST)\})`)
	shells        = []string{"sh", "bash", "dash", "zsh", "ash", "ksh", "fish"}
)

// withPort returns a command with $PORT and $HOST in its arguments replaced. A command with a shell in it stays as it is: the
// shell replaces them where that is meant.
func withPort(run []string, port int) []string {
	if slices.ContainsFunc(run, func(arg string) bool { return slices.Contains(shells, filepath.Base(arg)) }) {
		return run
	}
	replaced := slices.Clone(run)
	for i := range replaced[1:] {
		replaced[i+1] = portReference.ReplaceAllStringFunc(replaced[i+1], func(ref string) string {
			if strings.Contains(ref, "PORT") {
				return strconv.Itoa(port)
			}
			return loopback
		})
	}
	return replaced
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
