package jwt

import (
	"context"
	"sync"
	"time"
)

// maxWait is how long a request waits for the keys.
const maxWait = 2 * time.Second

// refresher coalesces refreshes of the keys. Run performs them, one at a time. Requests wait for the refresh in
// progress, or trigger one, at most once per window.
type refresher struct {
	window    time.Duration
	triggered chan struct{} // capacity 1; has a value only while current is not nil

	mu          sync.Mutex
	current     chan struct{} // closed at the end of the refresh that is in progress or triggered; nil without one
	lastTrigger time.Time
}

func newRefresher(window time.Duration) refresher {
	// The first refresh counts as triggered, because Run begins with one.
	return refresher{window: window, triggered: make(chan struct{}, 1), current: make(chan struct{})}
}

// begin is called by Run when a refresh starts. A refresh that was triggered before is this one.
func (r *refresher) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		r.current = make(chan struct{})
	}
	select {
	case <-r.triggered:
	default:
	}
}

// end is called by Run when the refresh has ended. It releases the waiting requests.
func (r *refresher) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.current)
	r.current = nil
}

// await waits for the refresh in progress, if there is one.
func (r *refresher) await(ctx context.Context) {
	r.mu.Lock()
	current := r.current
	r.mu.Unlock()
	wait(ctx, current)
}

// trigger is await, but it first triggers a refresh if none is in progress and none was triggered within the window.
func (r *refresher) trigger(ctx context.Context) {
	r.mu.Lock()
	if now := time.Now(); r.current == nil && now.Sub(r.lastTrigger) >= r.window {
		r.lastTrigger = now
		r.current = make(chan struct{})
		r.triggered <- struct{}{}
	}
	current := r.current
	r.mu.Unlock()
	wait(ctx, current)
}

func wait(ctx context.Context, refresh <-chan struct{}) {
	if refresh == nil {
		return
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-refresh:
	case <-timer.C:
	case <-ctx.Done():
	}
}
