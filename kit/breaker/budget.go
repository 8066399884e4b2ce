package breaker

import (
	"sync"
	"time"
)

// Budget limits retries to a share of the recent requests. Retrying is right when one node of many fails and wrong when
// all do: then every retry is more load on what already fails. A budget tells the two apart by itself.
//
// It is safe for concurrent use.
type Budget struct {
	ratio float64

	mu     sync.Mutex
	counts window  // requests, retries
	debt   float64 // retries of before the window that the requests of before the window do not cover
}

// minRetries may be spent in any ten seconds, so that a service with little traffic can retry at all. They are the
// floor of the budget, not an addition to it: when more traffic follows, it pays them back first.
const minRetries = 10

// NewBudget returns a Budget that lets retries be at most ratio (0.1 is 10 %) of the requests of the last ten seconds,
// or ten, whichever is more. A ratio of 0 or less allows none.
func NewBudget(ratio float64) *Budget {
	return &Budget{ratio: ratio, counts: window{span: 10 * time.Second}}
}

// Request counts a request, not its retries.
func (b *Budget) Request() {
	now := time.Now()
	b.mu.Lock()
	b.count(now, 1, 0)
	b.mu.Unlock()
}

// Retry reports whether a retry may be made. A true answer is counted at once, not when the retry is sent: a thousand
// requests that wait out a back-off would otherwise all be allowed theirs.
func (b *Budget) Retry() bool {
	if b.ratio <= 0 {
		return false
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, retries := b.counts.sum(now)
	earned, spent := b.ratio*float64(requests), float64(retries)
	if earned < minRetries {
		earned = minRetries
	} else {
		spent += b.debt
	}
	if spent+1 > earned+1e-9 { // 0.1 is a little more than a tenth
		return false
	}
	b.count(now, 0, 1)
	return true
}

// count adds to the window, and to the debt what leaves it uncovered.
func (b *Budget) count(now time.Time, requests, retries int) {
	left := b.counts.add(now, requests, retries)
	switch {
	case left.tick == b.counts.tick(now)-10:
		b.debt = max(0, b.debt+float64(left.b)-b.ratio*float64(left.a))
	case left.tick != 0: // a pause: what was before it is forgotten
		b.debt = 0
	}
}
