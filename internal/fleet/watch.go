package fleet

import (
	"context"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Watch sends the current set of every service, and then each set that changes, until ctx ends. Then it closes the
// channel. A slow reader misses the sets in between and gets the newest one. It never blocks the fleet. Watch may be
// called before Run, and more than once.
func (f *Fleet) Watch(ctx context.Context) <-chan node.Set {
	out := make(chan node.Set)
	go func() {
		defer close(out)
		seen := make([]uint64, len(f.services))
		last := -1
		for {
			i, set, version, changed := f.nextSet(seen, last)
			send := out
			if i < 0 {
				send = nil // nothing is new: wait for a change
			}
			select {
			case send <- set:
				seen[i], last = version, i
			case <-changed: // there may be a newer set than the one that the reader did not take yet
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// nextSet returns the first set after the last one that is newer than the seen one, or -1. It also returns the channel
// that is closed at the next change. The search goes around, so that a service that changes all the time does not hide
// others.
func (f *Fleet) nextSet(seen []uint64, last int) (i int, set node.Set, version uint64, changed <-chan struct{}) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	for n := range f.services {
		i := (last + 1 + n) % len(f.services)
		if s := f.services[i].record(); s.version > seen[i] {
			return i, s.set, s.version, f.core.changed
		}
	}
	return -1, node.Set{}, 0, f.core.changed
}
