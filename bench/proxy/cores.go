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

// proxyCore is the core of every proxy, otherCore the core of the backend and the generator. Both are -1 if processes
// cannot be pinned.
var proxyCore, otherCore = twoCores()

// twoCores returns the first two cores that this process may use, or -1 if there are fewer or taskset is missing.
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

// coresText describes the pinning for the report.
func coresText() string {
	if proxyCore < 0 {
		return "not pinned, because that needs taskset and two cores: the figures are not reliable"
	}
	return fmt.Sprintf("each proxy on core %d, backend and generator on core %d, GOMAXPROCS=1", proxyCore, otherCore)
}

// pinned returns a command that runs on one core, or on any core if core is -1.
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
	out, err := exec.Command("taskset", "--all-tasks", "--cpu-list", "--pid", strconv.Itoa(otherCore),
		strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pin to core %d: %w: %s", otherCore, err, out)
	}
	return nil
}

// openFiles returns how many file descriptors a process may have. Go and the proxies raise their soft limit to it.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Max, 1<<20))
}
