package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// becomeSubreaper makes this process the parent of the processes that a tenfold leaves behind, so that a test finds
// them.
var becomeSubreaper = sync.OnceValue(func() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })

// endWithTest makes the kernel end a process with this one: go test kills this process when it takes too long.
func endWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// processInfo describes a running process.
type processInfo struct {
	pid, parent int
	command     string
	environ     []byte // at its start; empty for a reaper, and for a process that overwrites it, such as redis-server
}

func (p processInfo) String() string { return fmt.Sprintf("%d: %s", p.pid, p.command) }

func processes() (all []processInfo) {
	names, _ := os.ReadDir("/proc")
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if len(command) == 0 { // it has ended, or it is a thread of the kernel
			continue
		}
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		words := strings.ReplaceAll(strings.TrimRight(string(command), "\x00"), "\x00", " ")
		all = append(all, processInfo{pid, parent(pid), words, environ})
	}
	return all
}

// parent reads the fourth field of /proc/PID/stat, see proc(5). The second one is in brackets and may contain any
// character.
func parent(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(string(fields[1]))
	return ppid
}

// startedBy lists the processes that a tenfold has started: its reaper, and the children of that.
func startedBy(tenfold int) (all []processInfo) {
	running := processes()
	for _, p := range running {
		if p.parent != tenfold {
			continue
		}
		all = append(all, p)
		for _, child := range running {
			if child.parent == p.pid {
				all = append(all, child)
			}
		}
	}
	return all
}

// remainingProcesses lists the running processes that have this entry in their environment, and the children that still
// run.
func remainingProcesses(entry string, children []processInfo) (all []processInfo) {
	for _, p := range processes() {
		member := slices.ContainsFunc(children, func(m processInfo) bool { return m.pid == p.pid && m.command == p.command })
		if member || bytes.Contains(p.environ, []byte(entry+"\x00")) {
			all = append(all, p)
		}
	}
	return all
}

// reapers lists the reapers whose tenfold has ended.
func reapers() (all []processInfo) {
	for _, p := range processes() {
		if p.parent == os.Getpid() && strings.HasSuffix(p.command, "tenfold reaper") {
			all = append(all, p)
		}
	}
	return all
}

// residentKB is the resident memory of a process, in KiB.
func residentKB(pid int) (kb int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb
}
