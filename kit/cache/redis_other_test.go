//go:build !linux

package cache

import "os/exec"

// dieWithTest has no way here; servers end with their test.
func dieWithTest(*exec.Cmd) {}
