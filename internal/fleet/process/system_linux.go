package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const reaperWorks = true

// attributes puts a process into an own group and makes the kernel kill it when the thread that forked it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// AdoptOrphans makes this process the parent of the processes below it that lose theirs.
func AdoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// groupAlive reports whether a process group has a running process. An ended process that its parent does not collect
// does not count. The first process of a container often collects none.
func groupAlive(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	all, err := processes()
	if err != nil {
		return true // no /proc: rely on the signal
	}
	for _, p := range all {
		if p.group == group && !p.dead {
			return true
		}
	}
	return false
}

// remaining lists the running processes that have the tag or are in one of the groups.
func remaining(tag string, groups map[int]bool) ([]int, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range all {
		if p.pid != os.Getpid() && !p.dead && (groups[p.group] || p.hasTag(tag)) {
			pids = append(pids, p.pid)
		}
	}
	return pids, nil
}

// endedChildren lists the children of this process that have ended and were not collected.
func endedChildren() (pids []int) {
	all, _ := processes()
	for _, p := range all {
		if p.parent == os.Getpid() && p.dead {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// proc is a process as /proc shows it.
type proc struct {
	pid, parent, group int
	dead               bool // it has ended, and its parent has not collected it
}

func processes() ([]proc, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []proc
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has just ended
		}
		if p, ok := parseStat(pid, stat); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat reads "PID (NAME) STATE PARENT GROUP ..." of proc(5). NAME may contain any character, brackets
// and spaces, too.
func parseStat(pid int, stat []byte) (proc, bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return proc{}, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return proc{}, false
	}
	group, err := strconv.Atoi(string(fields[2]))
	state := fields[0][0]
	return proc{pid: pid, parent: parent, group: group, dead: state == 'Z' || state == 'X'}, err == nil
}

// hasTag reads the environment that the process was started with. It returns false for processes of other users, whose
// environment cannot be read.
func (p proc) hasTag(tag string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	return err == nil && hasTag(environ, tag)
}
