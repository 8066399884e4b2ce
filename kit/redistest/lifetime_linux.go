package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithTest makes the system kill the server when the test process ends for any reason.
func dieWithTest(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
