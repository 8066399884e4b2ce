package idempotency

import (
	"context"
	"sync"
	"time"
)

// gate lets one request of each key at a time to the database. Without it, the duplicates that one impatient client sends
// to one node would hold a connection each.
type gate struct {
	mu   sync.Mutex
	held map[Key]chan struct{} // closed when the key is free
}

// enter waits until the key is free in this process and takes it, or returns ErrInFlight at the deadline.
func (g *gate) enter(ctx context.Context, key Key, deadline <-chan time.Time) error {
	for {
		free := g.take(key)
		if free == nil {
			return nil
		}
		select {
		case <-free:
		case <-deadline:
			return ErrInFlight
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns nil if it took the key, else what is closed when the key is free.
func (g *gate) take(key Key) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if free, held := g.held[key]; held {
		return free
	}
	g.held[key] = make(chan struct{})
	return nil
}

func (g *gate) leave(key Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.held[key])
	delete(g.held, key)
}
