package server

import (
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet/process"
)

// findCommands looks for the command of each service, so that a misspelt one is reported before anything is started. It
// fails with a [*CommandError] when no service can work. When other services can, it logs the error: the fleet goes on to
// look for the command.
func findCommands(services []config.Service, log *slog.Logger) error {
	missing := MissingCommands(services)
	if len(missing) > 0 && len(missing) == len(services) {
		return missing[0]
	}
	for _, e := range missing {
		log.Error("command not found; the other services start", "service", e.Service, "err", e, "hint", e.Hint())
	}
	return nil
}

// MissingCommands returns an error for each service whose command of run, or else of before, is not found on this machine.
func MissingCommands(services []config.Service) (missing []*CommandError) {
	for i := range services {
		s := &services[i]
		if s.Kind() != config.Owned {
			continue
		}
		err := findCommand(s, "run", s.Run)
		if err == nil && len(s.Before) > 0 {
			err = findCommand(s, "before", s.Before)
		}
		if err != nil {
			missing = append(missing, err)
		}
	}
	return missing
}

// findCommand returns nil when a command of a service is found.
func findCommand(s *config.Service, key string, argv []string) *CommandError {
	command := argv[0]
	if strings.Contains(command, "/") && !filepath.IsAbs(command) {
		command = filepath.Join(s.Dir, command)
	}
	_, err := exec.LookPath(command)
	if err == nil {
		return nil
	}
	if e := (*exec.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return &CommandError{Service: s.Name, Key: key, Command: command, Dir: s.Dir, Err: err}
}

// checkUsers fails with a [*ConfigError] when tenfold cannot start the nodes of a service as its user. No service starts
// then: a program must not run as another user than the file names.
func checkUsers(services []config.Service) error {
	for _, s := range services {
		if err := process.CheckUser(s.User); err != nil {
			hint := ""
			if e := (*process.UserError)(nil); errors.As(err, &e) {
				hint = e.Hint()
			}
			return &ConfigError{fmt.Errorf("services.%s.user: %w", s.Name, err), hint}
		}
	}
	return nil
}

// CommandError says that the command of a service cannot be run.
type CommandError struct {
	Service string
	Key     string // of the file: run or before
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
