package upstream

import (
	"context"
	"fmt"
	"time"
)

// Drain sends nothing new to the node and returns when it holds nothing any more. When ctx ends before, what is left is
// cancelled with ErrDrained: requests that may be repeated move on to another node, the rest get an error.
// A node that the pool does not know is drained already.
func (p *Pool) Drain(ctx context.Context, id string) error {
	p.mu.Lock()
	m := p.members[id]
	if m == nil {
		p.mu.Unlock()
		return nil
	}
	m.draining.Store(true)
	p.rebuild()
	p.mu.Unlock()
	p.log.Debug("node drains", "node", id, "in_flight", m.held())

	for m.held() > 0 {
		select {
		case <-m.idle:
		case <-time.After(100 * time.Millisecond): // somebody else who drains it may have been told
		case <-ctx.Done():
			return p.cut(m)
		}
	}
	return nil
}

// cutPatience is how long a cancelled request may take to notice.
const cutPatience = 5 * time.Second

// cut cancels what a drained member still holds.
func (p *Pool) cut(m *member) error {
	n := 0
	for begun := time.Now(); m.held() > 0 && time.Since(begun) < cutPatience; {
		n += m.tries.cancel(ErrDrained, nil)
		select {
		case <-m.idle:
		case <-time.After(10 * time.Millisecond): // a request that was just on its way in: cancel it too
		}
	}
	if n == 0 {
		return nil
	}
	p.log.Warn("drain cancelled what did not finish", "node", m.id, "cancelled", n)
	return fmt.Errorf("drain node %q: cancelled %d requests that did not finish", m.id, n)
}
