package idempotency

import (
	"context"
	"sync"
	"time"
)

// keyLocks lets one request per key use the database at a time. Without it, the duplicates that one client sends to one
// node would hold a connection each.
type keyLocks struct {
	mu   sync.Mutex
	held map[Key]chan struct{} // closed when the key is unlocked; guarded by mu
}

// lock waits until the key is free in this process and locks it. At the deadline it returns ErrInFlight.
func (l *keyLocks) lock(ctx context.Context, key Key, deadline <-chan time.Time) error {
	for {
		unlocked := l.tryLock(key)
		if unlocked == nil {
			return nil
		}
		select {
		case <-unlocked:
		case <-deadline:
			return ErrInFlight
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryLock locks the key and returns nil. If the key is locked, it returns a channel that is closed at the unlock.
func (l *keyLocks) tryLock(key Key) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if unlocked, held := l.held[key]; held {
		return unlocked
	}
	l.held[key] = make(chan struct{})
	return nil
}

func (l *keyLocks) unlock(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held[key])
	delete(l.held, key)
}
