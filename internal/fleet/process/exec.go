package process

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

// Exec replaces this process by the command of a spec, in the environment, the directory and with the user that a node
// would have. It has no port. Exec returns after an error only, which may have changed the directory.
func Exec(spec fleet.Spec) error {
	user, err := accountOf(spec.Limits.User)
	if err != nil {
		return err
	}
	if err := os.Chdir(spec.Dir); err != nil {
		return err
	}
	path, err := exec.LookPath(spec.Run[0])
	if err != nil {
		return markNotRunnable(err)
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "PORT=") })
	cmd := exec.Cmd{Dir: spec.Dir, Env: slices.Concat(env, user.env(), spec.Env)}
	if user.name != "" && os.Geteuid() == 0 {
		if err := become(user); err != nil {
			return &UserError{user.name, err}
		}
	}
	err = syscall.Exec(path, spec.Run, cmd.Environ())
	return markNotRunnable(fmt.Errorf("%s: %w", path, err))
}

// become makes all threads of this process run as a user.
func become(user account) error {
	if err := syscall.Setgroups(user.Groups); err != nil {
		return err
	}
	if err := syscall.Setgid(user.GID); err != nil {
		return err
	}
	return syscall.Setuid(user.UID)
}
