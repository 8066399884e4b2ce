package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Control groups (cgroup v2) limit all processes of a node together, also those that leave its process group. tenfold
// uses them only where a service manager has delegated a group to it, as systemd does with Delegate=: other groups are
// not its own. In its group it makes this tree, because a group with limits below it must not have processes itself:
//
//	tenfold-main            tenfold, the reaper, and the nodes without limits
//	tenfold-TAG-NODE        a node with limits
const (
	mainGroup   = "tenfold-main"
	nodeGroup   = "tenfold-"
	moveRounds  = 10 // how often processes are moved: one of them may start another one meanwhile
	hardPercent = 125
)

var errNotDelegated = errors.New("no control group is delegated to tenfold")

// cgroups are the control groups of the nodes of one driver.
type cgroups struct {
	base        string
	tag         string
	memory, cpu bool // the controllers that it has
}

// openCgroups prepares the group of this process. It fails with errNotDelegated when the group is not its own.
func openCgroups(tag string) (*cgroups, error) {
	own, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	if filepath.Base(own) == mainGroup {
		own = filepath.Dir(own) // prepared by a predecessor
	}
	if !delegated(own) {
		return nil, errNotDelegated
	}
	return prepareCgroups(own, tag)
}

// ownCgroup returns the directory of the control group of this process.
func ownCgroup() (string, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return cgroupDir(groups, mounts)
}

// cgroupDir finds the directory of a process by its lines of /proc/PID/cgroup and of /proc/PID/mountinfo.
func cgroupDir(groups, mounts []byte) (string, error) {
	path := ""
	for line := range bytes.Lines(groups) {
		if rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("0::")); ok {
			path = string(rest)
		}
	}
	if path == "" {
		return "", errNotDelegated
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		root, point := fields[3], fields[4]
		if below, err := filepath.Rel(root, path); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return filepath.Join(point, below), nil
		}
	}
	return "", errNotDelegated
}

// delegated reports whether a service manager has marked a group as delegated.
func delegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) == nil
		}
	}
	return false
}

// prepareCgroups moves the processes of a group into its main group, and switches the controllers on.
func prepareCgroups(base, tag string) (*cgroups, error) {
	available, err := os.ReadFile(filepath.Join(base, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	controllers := strings.Fields(string(available))
	c := &cgroups{base: base, tag: tag[:min(8, len(tag))], memory: slices.Contains(controllers, "memory"), cpu: slices.Contains(controllers, "cpu")}
	on := ""
	if c.memory {
		on += "+memory "
	}
	if c.cpu {
		on += "+cpu "
	}
	if on == "" {
		return nil, errNotDelegated
	}
	if err := os.Mkdir(filepath.Join(base, mainGroup), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := moveProcesses(base, filepath.Join(base, mainGroup)); err != nil {
		return nil, err
	}
	if err := writeGroup(base, "cgroup.subtree_control", strings.TrimSpace(on)); err != nil {
		return nil, err
	}
	c.removeEmpty()
	return c, nil
}

// moveProcesses moves all processes of a group to another one.
func moveProcesses(from, to string) error {
	for range moveRounds {
		pids, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
		if err != nil {
			return err
		}
		all := strings.Fields(string(pids))
		if len(all) == 0 {
			return nil
		}
		for _, pid := range all {
			if err := writeGroup(to, "cgroup.procs", pid); err != nil && !errors.Is(err, unix.ESRCH) { // ESRCH: it has ended
				return err
			}
		}
	}
	return fmt.Errorf("move the processes of %s: new ones begin all the time", from)
}

// removeEmpty removes the groups of nodes that have ended, of any tenfold.
func (c *cgroups) removeEmpty() {
	old, _ := filepath.Glob(filepath.Join(c.base, nodeGroup+"*-*"))
	for _, dir := range old {
		if dir != filepath.Join(c.base, mainGroup) {
			_ = unix.Rmdir(dir) // it fails for a group with processes
		}
	}
}

func (c *cgroups) dir(id string) string { return filepath.Join(c.base, nodeGroup+c.tag+"-"+id) }

// add makes the group of a node with its limits; 0 is none. Above memory, the node is replaced. The kernel ends it only
// when it gets a quarter further: then there is no time for a replacement.
func (c *cgroups) add(id string, memory int64, weight int) (dir string, err error) {
	dir = c.dir(id)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if memory > 0 && c.memory {
		err = writeGroup(dir, "memory.max", strconv.FormatInt(memory/100*hardPercent, 10))
	}
	if err == nil && weight > 0 && c.cpu {
		err = writeGroup(dir, "cpu.weight", strconv.Itoa(weight))
	}
	if err != nil {
		c.remove(id)
		return "", err
	}
	return dir, nil
}

// remove removes the group of a node that has ended.
func (c *cgroups) remove(id string) { _ = unix.Rmdir(c.dir(id)) }

// used returns the memory of a node without the cache of files, which the kernel takes back when it needs it. It returns
// false for a node without a group.
func (c *cgroups) used(id string) (bytesUsed int64, ok bool) {
	if !c.memory {
		return 0, false
	}
	stat, err := os.ReadFile(filepath.Join(c.dir(id), "memory.stat"))
	if err != nil {
		return 0, false
	}
	return parseMemoryStat(stat)
}

// parseMemoryStat adds up the lines "anon 123" and "shmem 123".
func parseMemoryStat(stat []byte) (sum int64, ok bool) {
	for line := range strings.Lines(string(stat)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[0] != "anon" && fields[0] != "shmem" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, false
		}
		sum, ok = sum+n, true
	}
	return sum, ok && sum > 0
}

// enterCgroup moves this process into a group.
func enterCgroup(dir string) error { return writeGroup(dir, "cgroup.procs", "0") }

func writeGroup(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_CREATE, 0o644) // it exists, except in tests
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
