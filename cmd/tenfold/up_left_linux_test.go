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

// adopt makes this process the parent of whatever tenfold leaves behind, so that it can be found.
var adopt = sync.OnceValue(func() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })

// tethered ends a process with the test: go test kills this one when it takes too long, and its children must not stay.
func tethered() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// survivor is a process that runs; what has ended and waits to be collected does not.
type survivor struct {
	pid, parent int
	command     string
	environ     []byte // as it was started with; empty for a reaper, and for what overwrote it, as redis-server does
}

func (p survivor) String() string { return fmt.Sprintf("%d: %s", p.pid, p.command) }

func processes() (all []survivor) {
	names, _ := os.ReadDir("/proc")
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if len(command) == 0 { // ended, or the kernel's own
			continue
		}
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		words := strings.ReplaceAll(strings.TrimRight(string(command), "\x00"), "\x00", " ")
		all = append(all, survivor{pid, parent(pid), words, environ})
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

// family is what a tenfold has started itself.
func family(tenfold int) (all []survivor) {
	for _, p := range processes() {
		if p.parent == tenfold {
			all = append(all, p)
		}
	}
	return all
}

// left lists what runs and carries this entry in its environment, and what still runs of a family.
func left(entry string, family []survivor) (all []survivor) {
	for _, p := range processes() {
		member := slices.ContainsFunc(family, func(m survivor) bool { return m.pid == p.pid && m.command == p.command })
		if member || bytes.Contains(p.environ, []byte(entry+"\x00")) {
			all = append(all, p)
		}
	}
	return all
}

// reapers lists the reapers whose tenfold has ended.
func reapers() (all []survivor) {
	for _, p := range processes() {
		if p.parent == os.Getpid() && strings.HasSuffix(p.command, "tenfold reaper") {
			all = append(all, p)
		}
	}
	return all
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
