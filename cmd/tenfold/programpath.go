package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// programPath returns the path at which this program was started. A successor is started there. When the path is a symbolic
// link, as /usr/bin/tenfold to the file of a version, it is the path of the link: a change of the link changes the program.
func programPath() (string, error) {
	real, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program of this process: %w", err)
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err != nil {
		return real, nil
	}
	a, errA := os.Stat(called)
	b, errB := os.Stat(real)
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		return real, nil
	}
	return called, nil
}
