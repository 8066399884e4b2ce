package upstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/node"
)

// Drain stops new requests to the node and waits until the node holds no request any more. When ctx ends before,
// Drain cancels the remaining requests with ErrDrained: those that may be repeated move to another node, the others
// fail. It then returns an error with their number. When ctx ends with [node.ErrUndrained], the requests go on, and Drain
// returns that. For an unknown node Drain returns at once.
//
// The fleet announces a drain twice: it publishes a set in which the node is draining, and it calls Drain. The call
// is needed because a set takes effect some time later, and because the fleet must know when the last request has
// ended. The set is needed because it may be the first one that has the node: Drain then finds no such node yet, and
// the set keeps requests away from it.
func (p *Pool) Drain(ctx context.Context, id string) error {
	p.mu.Lock()
	m := p.members[id]
	if m == nil {
		p.mu.Unlock()
		return nil
	}
	m.drain()
	p.rebuild()
	p.mu.Unlock()
	p.log.Debug("node drains", "node", id, "in_flight", m.held())
	for ; m != nil; m = m.former {
		select {
		case <-m.idle:
			continue
		case <-ctx.Done():
		}
		if err := context.Cause(ctx); errors.Is(err, node.ErrUndrained) {
			return err
		}
		if err := p.cancelRequests(m); err != nil {
			return err
		}
	}
	return nil
}

// DrainAll is Drain for all nodes.
func (p *Pool) DrainAll(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	p.forEach(func(m *member) {
		all.Go(func() { p.Drain(ctx, m.id) }) // Drain logs what it cancels
	})
}

const (
	cancelTimeout = 5 * time.Second // how long a canceled request may take to end
	// cancelAgain is the time between two rounds. A request that got its slot before the drain may begin its attempt later.
	cancelAgain = 10 * time.Millisecond
)

// cancelRequests cancels the requests of a draining node. It returns an error with their number, or nil when there were
// none.
func (p *Pool) cancelRequests(m *member) error {
	timeout := time.NewTimer(cancelTimeout)
	defer timeout.Stop()
	again := time.NewTicker(cancelAgain)
	defer again.Stop()
	n := 0
	for ended := false; !ended; {
		n += m.running.cancelAll(ErrDrained)
		select {
		case <-m.idle:
			ended = true
		case <-timeout.C:
			ended = true
		case <-again.C:
		}
	}
	if n == 0 {
		return nil
	}
	p.log.Warn("drain cancelled what did not finish", "node", m.id, "cancelled", n)
	return fmt.Errorf("drain node %q: cancelled %d requests that did not finish", m.id, n)
}
