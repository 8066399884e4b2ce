package breaker

import (
	"sync"
	"time"
)

// RetryBudgetOptions configure a RetryBudget. A zero field means its default.
type RetryBudgetOptions struct {
	// MinRetries is the number of retries that any window allows, so that a client with few requests can retry too.
	// They are a minimum and no addition: when more requests follow, the budget subtracts them. Default 10; negative
	// for none.
	MinRetries int
	// Window is the time for which a request or a retry counts. Default 10s.
	Window time.Duration
}

// RetryBudget limits retries to a share of the recent requests. If one node of many fails, a retry helps. If all nodes
// fail, every retry is more load on them; then the budget is soon empty.
//
// It is safe for concurrent use.
type RetryBudget struct {
	ratio float64
	o     RetryBudgetOptions

	mu     sync.Mutex // guards the fields below
	counts window     // requests and retries
	// debt is the number of retries before the window that the requests before the window did not pay for.
	debt float64
}

// NewRetryBudget returns a RetryBudget. Within a window it allows ratio times the number of requests as retries, or
// MinRetries if that is more: with a ratio of 0.1, ten retries for a hundred requests. A ratio of 0 or less allows no
// retry. If o is nil, all options have their defaults.
func NewRetryBudget(ratio float64, o *RetryBudgetOptions) *RetryBudget {
	b := &RetryBudget{ratio: ratio}
	if o != nil {
		b.o = *o
	}
	if b.o.MinRetries == 0 {
		b.o.MinRetries = 10
	}
	if b.o.Window <= 0 {
		b.o.Window = 10 * time.Second
	}
	b.counts.span = b.o.Window
	return b
}

// CountRequest counts a request. The retries of a request are not requests.
func (b *RetryBudget) CountRequest() {
	now := time.Now()
	b.mu.Lock()
	b.count(now, 1, 0)
	b.mu.Unlock()
}

// TryRetry reports whether one more retry is allowed. If it is, the retry is counted at once and not when it is sent:
// otherwise all requests that wait for their back-off would get one.
func (b *RetryBudget) TryRetry() bool {
	if b.ratio <= 0 {
		return false
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, retries := b.counts.sum(now)
	allowed, spent := b.ratio*float64(requests), float64(retries)
	if least := float64(b.o.MinRetries); allowed < least {
		allowed = least
	} else {
		spent += b.debt
	}
	if spent+1 > allowed+1e-9 { // the tolerance: 0.1 is not exactly a tenth
		return false
	}
	b.count(now, 0, 1)
	return true
}

// count counts requests and retries. When a slot leaves the window, its unpaid retries become debt. b.mu is held.
func (b *RetryBudget) count(now time.Time, requests, retries int) {
	old := b.counts.add(now, requests, retries)
	switch {
	case old.tick == b.counts.tick(now)-slots:
		b.debt = max(0, b.debt+float64(old.b)-b.ratio*float64(old.a))
	case old.tick != 0: // a whole window has passed without a count: everything before it is forgotten
		b.debt = 0
	}
}
