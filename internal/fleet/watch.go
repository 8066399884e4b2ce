package fleet

import (
	"context"
	"maps"
	"slices"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Watch sends the current set of every service, and then each set that changes, until ctx ends. Then it closes the
// channel. A slow reader misses the sets in between and gets the newest one. It never blocks the fleet. Watch may be
// called before Run, and more than once.
func (f *Fleet) Watch(ctx context.Context) <-chan node.Set {
	out := make(chan node.Set)
	go func() {
		defer close(out)
		seen := map[*service]uint64{}
		last := -1
		for {
			i, s, set, revision, changed := f.nextSet(seen, last)
			send := out
			if i < 0 {
				send = nil // nothing is new: wait for a change
			}
			select {
			case send <- set:
				seen[s], last = revision, i
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
func (f *Fleet) nextSet(seen map[*service]uint64, last int) (i int, s *service, set node.Set, revision uint64, changed <-chan struct{}) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	services := f.core.services
	for n := range services {
		i := (last + 1 + n) % len(services)
		if s := services[i]; s.revision > seen[s] {
			return i, s, s.set, s.revision, f.core.changed
		}
	}
	if len(seen) > len(services) { // services were removed
		maps.DeleteFunc(seen, func(s *service, _ uint64) bool { return !slices.Contains(services, s) })
	}
	return -1, nil, node.Set{}, 0, f.core.changed
}
