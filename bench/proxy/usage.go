//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is the CPU time and memory of the processes of a proxy.
type usage struct {
	cpu    time.Duration // user and system, since the processes started
	memory int64         // resident bytes; a page that several processes share counts once
}

// used returns the usage of a process and its descendants.
func used(pid int) (u usage, err error) {
	children, err := childrenOf()
	if err != nil {
		return u, err
	}
	for todo := []int{pid}; len(todo) > 0; {
		id := todo[0]
		todo = append(todo[1:], children[id]...)
		cpu, err := cpuTime(id)
		if err != nil && id == pid {
			return u, fmt.Errorf("read cpu time of process %d: %w", pid, err)
		}
		u.cpu += cpu
		u.memory += resident(id)
	}
	return u, nil
}

// childrenOf returns the children of every process.
func childrenOf() (map[int][]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range stats {
		b, _ := os.ReadFile(name) // empty if the process has ended
		if id, parent, ok := parseStat(b); ok {
			children[parent] = append(children[parent], id)
		}
	}
	return children, nil
}

// parseStat reads the pid and the parent of a /proc/PID/stat. The name of the program is in parentheses and may contain
// any character.
func parseStat(b []byte) (pid, parent int, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return 0, 0, false
	}
	rest := strings.Fields(string(b[end+1:])) // state, ppid, ...
	if len(rest) < 2 {
		return 0, 0, false
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(string(b[:open])))
	parent, err2 := strconv.Atoi(rest[1])
	return pid, parent, err1 == nil && err2 == nil
}

// cpuTime returns the user and system time of all threads of a process, with those that have ended. It reads the clock
// of clock_getcpuclockid(3), because /proc/PID/stat has a resolution of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// resident returns the proportional set size of a process, or the resident set size if the kernel does not report the
// former.
func resident(pid int) int64 {
	for _, try := range [][2]string{{"smaps_rollup", "Pss:"}, {"status", "VmRSS:"}} {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, try[0]))
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == try[1] {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				return kib << 10
			}
		}
	}
	return 0
}
