package fleet

import (
	"context"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Watch sends the current set of every service, then each one that changes, until ctx ends; then it closes the channel.
// A reader that is slower than the changes misses those in between and gets the newest; it never holds up the fleet.
// It may be called before Run and any number of times.
func (f *Fleet) Watch(ctx context.Context) <-chan node.Set {
	out := make(chan node.Set)
	go func() {
		defer close(out)
		seen := make([]uint64, len(f.services))
		last := -1
		for {
			i, set, version, changed := f.unseen(seen, last)
			send := out
			if i < 0 {
				send = nil // nothing new: wait for a change
			}
			select {
			case send <- set:
				seen[i], last = version, i
			case <-changed: // while waiting for the reader this set became old
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// unseen returns the first set after the last one that is newer than seen, or -1, and the channel that is closed at the
// next change. It goes around, so that a service which never rests does not hide the others.
func (f *Fleet) unseen(seen []uint64, last int) (i int, set node.Set, version uint64, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.services {
		i := (last + 1 + n) % len(f.services)
		if s := f.services[i]; s.version > seen[i] {
			return i, s.set, s.version, f.changed
		}
	}
	return -1, node.Set{}, 0, f.changed
}
