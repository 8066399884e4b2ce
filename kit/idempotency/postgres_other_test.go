//go:build !linux

package idempotency_test

import "os/exec"

// asNobody leaves a command as it is: PostgreSQL starts for anyone but root.
func asNobody(cmd *exec.Cmd, dir string) error {
	cmd.Dir = dir
	return nil
}
