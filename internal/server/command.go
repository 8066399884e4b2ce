package server

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
)

// findCommands looks for the command of each service, so that a misspelt one is reported before anything is started. It
// fails with a [*CommandError].
func findCommands(services []config.Service) error {
	for _, s := range services {
		if s.Kind() != config.Owned {
			continue
		}
		command := s.Run[0]
		if strings.Contains(command, "/") && !filepath.IsAbs(command) {
			command = filepath.Join(s.Dir, command)
		}
		if _, err := exec.LookPath(command); err != nil {
			if e := (*exec.Error)(nil); errors.As(err, &e) {
				err = e.Err
			}
			return &CommandError{Service: s.Name, Command: command, Dir: s.Dir, Err: err}
		}
	}
	return nil
}

// CommandError says that the command of a service cannot be run.
type CommandError struct {
	Service string
	Command string
	Dir     string // the working directory of the service
	Err     error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("service %q: command %q: %v", e.Service, e.Command, e.Err)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *CommandError) Hint() string {
	return "is it installed, on the PATH and executable? A relative path starts at " + e.Dir
}
