package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// adopt makes this process the parent of whatever tenfold leaves behind, so that it can be found.
var adopt = sync.OnceValue(func() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })

// tethered ends a process with the test: go test kills this one when it takes too long, and its children must not stay.
func tethered() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// left lists what runs and carries this entry in its environment, and the keepers whose tenfold is gone (a keeper has
// no environment). What has ended and waits to be collected does not run.
func left(entry string) (all []string) {
	names, _ := os.ReadDir("/proc")
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for what has ended
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		argv := strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")
		orphan := len(argv) == 2 && argv[1] == "keeper" && parent(pid) == os.Getpid()
		if len(command) > 0 && (orphan || bytes.Contains(environ, []byte(entry+"\x00"))) {
			all = append(all, fmt.Sprintf("%d: %s", pid, strings.Join(argv, " ")))
		}
	}
	return all
}

// parent reads the fourth field of proc(5)'s stat; the second one is in brackets and may hold anything.
func parent(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(string(fields[1]))
	return ppid
}

// residentKB is how much memory a process holds, in KiB.
func residentKB(pid int) (kb int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb
}
