package jwt

import (
	"context"
	"sync"
	"time"
)

// patience is how long a request waits for the keys.
const patience = 2 * time.Second

// readings lets requests wait for the reading of the keys that is under way, and want one. There is one at a time, done by
// Run; and one in a window at most that requests have wanted, however many they are.
type readings struct {
	window time.Duration
	wanted chan struct{} // of one; filled only while underWay is not nil

	mu       sync.Mutex
	underWay chan struct{} // closed when it ends; nil for none
	last     time.Time     // when one was wanted
}

func newReadings(window time.Duration) readings {
	return readings{window: window, wanted: make(chan struct{}, 1), underWay: make(chan struct{})} // Run is about to begin
}

// begin is called by Run. What is wanted until now is what begins.
func (r *readings) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay == nil {
		r.underWay = make(chan struct{})
	}
	select {
	case <-r.wanted:
	default:
	}
}

func (r *readings) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.underWay)
	r.underWay = nil
}

// join waits for the reading that is under way, if there is one.
func (r *readings) join(ctx context.Context) {
	r.mu.Lock()
	underWay := r.underWay
	r.mu.Unlock()
	wait(ctx, underWay)
}

// want is join that begins a reading if there is none and the window has room for one.
func (r *readings) want(ctx context.Context) {
	r.mu.Lock()
	if now := time.Now(); r.underWay == nil && now.Sub(r.last) >= r.window {
		r.last = now
		r.underWay = make(chan struct{})
		r.wanted <- struct{}{}
	}
	underWay := r.underWay
	r.mu.Unlock()
	wait(ctx, underWay)
}

func wait(ctx context.Context, underWay <-chan struct{}) {
	if underWay == nil {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-underWay:
	case <-timer.C:
	case <-ctx.Done():
	}
}
