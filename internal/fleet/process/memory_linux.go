package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupMemory adds up the memory that the processes of each group use. Pages that several processes share count once,
// where the kernel tells it.
func groupMemory(groups map[int]int64) error {
	all, err := processes()
	if err != nil {
		return err
	}
	for _, p := range all {
		if _, watched := groups[p.group]; watched && !p.dead {
			groups[p.group] += processMemory(p.pid)
		}
	}
	return nil
}

// processMemory returns the proportional share of a process (PSS), or else its resident pages. It returns 0 for a process
// that has ended.
func processMemory(pid int) int64 {
	dir := "/proc/" + strconv.Itoa(pid)
	if rollup, err := os.ReadFile(dir + "/smaps_rollup"); err == nil {
		if pss, ok := parseRollup(rollup); ok {
			return pss
		}
	}
	statm, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// parseRollup reads the line "Pss:  1234 kB" of smaps_rollup.
func parseRollup(text []byte) (bytesUsed int64, ok bool) {
	for line := range bytes.Lines(text) {
		if rest, found := bytes.CutPrefix(line, []byte("Pss:")); found {
			fields := bytes.Fields(rest)
			if len(fields) != 2 || string(fields[1]) != "kB" {
				return 0, false
			}
			n, err := strconv.ParseInt(string(fields[0]), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}

func rlimit(files uint64) *syscall.Rlimit { return &syscall.Rlimit{Cur: files, Max: files} }

// endWithParent makes the kernel kill this process with its parent, as attributes does: a change of the user ends that,
// and it is a property of the thread.
func endWithParent() error {
	parent := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	if os.Getppid() != parent {
		return errors.New("the parent has ended")
	}
	return nil
}
