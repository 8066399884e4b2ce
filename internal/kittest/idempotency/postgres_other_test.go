//go:build !linux

package idempotency_test

import "os/exec"

// unprivileged changes only the directory: on this system, the tests do not run as root.
func unprivileged(cmd *exec.Cmd, dir string) error {
	cmd.Dir = dir
	return nil
}
