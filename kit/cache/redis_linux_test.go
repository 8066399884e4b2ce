package cache

import (
	"os/exec"
	"syscall"
)

// dieWithTest ends a server also when the test is killed.
func dieWithTest(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
