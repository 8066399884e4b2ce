package fleet

import (
	"context"
	"slices"
	"sync"

	"github.com/tenfold-go/tenfold/internal/node"
)

// The nodes of listed and remote services run elsewhere. The fleet can only wait for them and publish them no more.

// awaitAny waits until one of these nodes is ready, but not longer than slowStart. It reports whether one is.
func (s *service) awaitAny(ctx context.Context, members []*member) (any bool) {
	soon, cancel := context.WithTimeout(ctx, slowStart)
	defer cancel()
	ready := make(chan struct{}, len(members))
	var all sync.WaitGroup
	for _, m := range members {
		all.Go(func() {
			if s.traffic.AwaitReady(soon, s.Name, m.ID) == nil {
				ready <- struct{}{}
			}
		})
	}
	select {
	case <-ready:
		any = true
	case <-soon.Done():
	}
	cancel()
	all.Wait()
	return any
}

// dismiss drains nodes that are published no more, and forgets them. It goes on when ctx ends.
func (s *service) dismiss(ctx context.Context, members []*member) {
	ctx, cancel := s.stopContext(ctx, s.config().Drain)
	defer cancel()
	var all sync.WaitGroup
	for _, m := range members {
		s.mark(m, node.Draining)
		all.Go(func() { s.traffic.Drain(ctx, s.Name, m.ID) })
	}
	all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = slices.DeleteFunc(s.members, func(m *member) bool { return slices.Contains(members, m) })
	s.publish()
}
