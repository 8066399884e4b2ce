//go:build !linux

package redistest

import "os/exec"

// dieWithTest does nothing: this system has no parent death signal. A server ends at the end of its test only.
func dieWithTest(*exec.Cmd) {}
