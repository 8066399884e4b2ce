package process

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// orphanAge is how long a process must have ended until it counts as an orphan. The end of a process that this program
// has started itself is collected much sooner, by the one who waits for it.
const orphanAge = time.Second

// CollectOrphans collects the ended children that have no waiting caller, until ctx ends: those that this process has got
// because it is the first one of a container, or a subreaper. Without it they would be zombies. It leaves out those that
// are mine; nil for none.
func CollectOrphans(ctx context.Context, mine func(pid int) bool) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	seen := map[int]bool{} // ended at the last look
	for {
		seen = collect(seen, mine)
		next := (<-chan time.Time)(nil)
		if len(seen) > 0 {
			next = time.After(orphanAge)
		}
		select {
		case <-next:
			continue
		case <-ended:
		case <-ctx.Done():
			return
		}
		select { // a look costs as much as there are processes: at most one per orphanAge
		case <-time.After(orphanAge):
		case <-ctx.Done():
			return
		}
	}
}

// collect collects the ended children that had ended at the last look already. It returns the others.
func collect(seen map[int]bool, mine func(pid int) bool) map[int]bool {
	waiting := map[int]bool{}
	for _, pid := range endedChildren() {
		if mine != nil && mine(pid) {
			continue
		}
		if seen[pid] {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		} else {
			waiting[pid] = true
		}
	}
	return waiting
}
