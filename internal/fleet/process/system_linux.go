package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

const keeperWorks = true

// attributes puts a process into a group of its own and has the kernel kill it when the thread that forked it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// groupAlive says whether a process group has a member that runs. A dead one whose new parent does not collect it, as
// under a container's careless first process, is not one.
func groupAlive(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	all, err := processes()
	if err != nil {
		return true // no /proc: believe the signal
	}
	for _, p := range all {
		if p.group == group && !p.dead {
			return true
		}
	}
	return false
}

// remains lists the processes that run and carry the mark or are in one of the groups.
func remains(mark string, groups map[int]bool) ([]int, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range all {
		if p.pid != os.Getpid() && !p.dead && (groups[p.group] || p.carries(mark)) {
			pids = append(pids, p.pid)
		}
	}
	return pids, nil
}

// proc is a process as /proc shows it.
type proc struct {
	pid, group int
	dead       bool // it ended and waits to be collected
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
			continue // it ended meanwhile
		}
		if p, ok := parseStat(pid, stat); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat reads "PID (NAME) STATE PARENT GROUP ..." of proc(5). The name may hold anything, brackets and spaces too.
func parseStat(pid int, stat []byte) (proc, bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return proc{}, false
	}
	group, err := strconv.Atoi(string(fields[2]))
	state := fields[0][0]
	return proc{pid: pid, group: group, dead: state == 'Z' || state == 'X'}, err == nil
}

// carries reads the environment that the process was started with; another user's cannot be read and is not ours.
func (p proc) carries(mark string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	return err == nil && marked(environ, mark)
}
