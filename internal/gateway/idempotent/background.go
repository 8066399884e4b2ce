package idempotent

import (
	"context"
	"sync"
)

// background runs store updates that outlive their request.
type background struct {
	killed chan struct{} // closed by kill

	mu      sync.Mutex
	closed  bool           // nothing more may start. Guarded by mu
	running sync.WaitGroup // updates. Add is called with mu held
	slots   chan struct{}  // limits the updates
}

// maxUpdates limits how many updates may wait for an unreachable store. For further ones the lease of the claim expires.
const maxUpdates = 1024

func newBackground() *background {
	return &background{killed: make(chan struct{}), slots: make(chan struct{}, maxUpdates)}
}

// start runs an update, and reports whether it does. The context of the update ends with kill.
func (b *background) start(update func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	select {
	case b.slots <- struct{}{}:
	default:
		return false
	}
	b.running.Go(func() {
		defer func() { <-b.slots }()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-b.killed:
				cancel()
			case <-ctx.Done():
			}
		}()
		update(ctx)
	})
	return true
}

// kill cancels the updates, and returns when they have ended. A second call does the same.
func (b *background) kill() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.killed)
	}
	b.mu.Unlock()
	b.running.Wait()
}
