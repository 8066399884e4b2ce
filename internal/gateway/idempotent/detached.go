package idempotent

import (
	"context"
	"time"
)

// detached limits the requests of a service that keep running after their client disconnected. Without a limit, clients that
// connect and reset could occupy every slot of the service and of its queue.
type detached struct{ slots chan struct{} }

// maxDetached is the limit. It is a tenth of the slots of one node where that is less.
const maxDetached = 64

func newDetached(inFlight int) *detached {
	n := maxDetached
	if inFlight > 0 {
		n = min(n, max(1, inFlight/10))
	}
	return &detached{make(chan struct{}, n)}
}

// enter reports whether one more request may run detached.
func (d *detached) enter() bool {
	select {
	case d.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (d *detached) leave() { <-d.slots }

// waitDetached returns when a request whose client disconnected must end: at once when too many such requests run, and else after
// the timeout, with Kill, or when the request itself ends.
func (h *handler) waitDetached(ctx context.Context) {
	if !h.detached.enter() {
		return
	}
	defer h.detached.leave()
	timeout := time.NewTimer(h.timeout)
	defer timeout.Stop()
	select {
	case <-timeout.C:
	case <-h.background.killed:
	case <-ctx.Done():
	}
}
