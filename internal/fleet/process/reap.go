package process

import (
	"bufio"
	"fmt"
	"io"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	reapPatience  = time.Minute            // how long the reaper tries to kill processes that do not end
	minTag        = 16                     // bytes; a shorter tag is not one of ours
	maxReaperLine = 256                    // bytes; a longer line is not one of ours
	sweepPatience = 5 * time.Second        // how long the driver tries; it delays the end of a node
	sweepPause    = 100 * time.Millisecond // longest pause between two looks
)

// RunReaper is the main function of the reaper process: the program calls it when it was started with [Options.Reaper],
// and exits when it returns. It reads from stdin the tag of the fleet and the process groups that begin and end. When
// stdin ends, because tenfold has ended in any way, it kills every process of the groups and every process with the
// tag.
func RunReaper(stdin io.Reader) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	lines := bufio.NewScanner(stdin)
	lines.Buffer(nil, maxReaperLine)
	lines.Scan()
	tag := lines.Text()
	if len(tag) < minTag || strings.ContainsAny(tag, ",/ ") {
		return fmt.Errorf("reap fleet: %q is not a tag: only tenfold itself calls this verb", tag)
	}
	groups := map[int]bool{}
	for lines.Scan() {
		switch group, err := strconv.Atoi(lines.Text()); {
		case err != nil || group == 0:
			return fmt.Errorf("reap fleet: unknown line %q", lines.Text())
		case group > 0:
			groups[group] = true
		default:
			delete(groups, -group)
		}
	}
	return sweep(tag, groups, reapPatience)
}

// sweep kills the processes that have the tag or are in one of the groups, until none of them is left.
func sweep(tag string, groups map[int]bool, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, sweepPause) {
		left, err := remaining(tag, groups)
		if err != nil {
			return fmt.Errorf("list processes: %w", err)
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end on SIGKILL", left)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // the next look finds those that cannot be killed
		}
		time.Sleep(pause)
	}
}
