package process

import (
	"fmt"
	"syscall"
	"time"
)

const (
	sweepPatience = 5 * time.Second        // how long the end of a node waits for its last processes
	sweepPause    = 100 * time.Millisecond // longest pause between two looks
)

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
