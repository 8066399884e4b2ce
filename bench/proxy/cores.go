//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// proxyCore is the core of every proxy, otherCore that of the backend and the generator; -1 when nothing can be pinned.
var proxyCore, otherCore = twoCores()

func twoCores() (int, int) {
	var allowed unix.CPUSet
	if _, err := exec.LookPath("taskset"); err != nil || unix.SchedGetaffinity(0, &allowed) != nil {
		return -1, -1
	}
	first := -1
	for i := range 64 * len(allowed) {
		switch {
		case !allowed.IsSet(i):
		case first < 0:
			first = i
		default:
			return first, i
		}
	}
	return -1, -1
}

func coresText() string {
	if proxyCore < 0 {
		return "not pinned: that takes taskset and two cores; the figures are of little worth"
	}
	return fmt.Sprintf("each proxy on core %d, backend and generator on core %d, GOMAXPROCS=1", proxyCore, otherCore)
}

// pinned is a command on one core.
func pinned(ctx context.Context, core int, program string, args ...string) *exec.Cmd {
	if core < 0 {
		return exec.CommandContext(ctx, program, args...)
	}
	return exec.CommandContext(ctx, "taskset", append([]string{"--cpu-list", strconv.Itoa(core), program}, args...)...)
}

// pinSelf moves all threads of this process to the other core.
func pinSelf() error {
	if otherCore < 0 {
		return nil
	}
	out, err := exec.Command("taskset", "--all-tasks", "--cpu-list", "--pid", strconv.Itoa(otherCore), strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pin to core %d: %w: %s", otherCore, err, out)
	}
	return nil
}

// openFiles is how many descriptors a process may have here. Go raises its own limit by itself, the proxies raise theirs.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Max, 1<<20))
}
