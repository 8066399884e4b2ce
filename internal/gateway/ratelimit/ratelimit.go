package ratelimit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/store"
)

// Options tune Limits. Zero fields mean their defaults.
type Options struct {
	Log          *slog.Logger  // loss and return of the store; default: discard
	Metrics      *Metrics      // default: not exported
	StoreTimeout time.Duration // how long a request waits for the store; then its gateway decides alone; default 50ms
}

// Limits are the limiters of one gateway. They are safe for concurrent use, except for calls of Limiter.
type Limits struct {
	metrics *Metrics
	shared  *shared // nil without a store
	now     func() int64

	wanted chan struct{} // closed when the first limiter uses the store
	want   func()
}

// New returns Limits without limiters. Without a store (nil, or one of kind none) each gateway counts alone.
func New(s *store.Store, o *Options) *Limits {
	if o == nil {
		o = &Options{}
	}
	start := time.Now()
	l := &Limits{metrics: o.Metrics, now: func() int64 { return int64(time.Since(start)) }, wanted: make(chan struct{})}
	l.want = sync.OnceFunc(func() { close(l.wanted) })
	if l.metrics == nil {
		l.metrics = NewMetrics(nil)
	}
	if s != nil {
		log := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
		l.shared = newShared(l.metrics, log, cmp.Or(o.StoreTimeout, 50*time.Millisecond))
		l.shared.connect = connector(s)
	}
	return l
}

// Run keeps the connection to the store until ctx ends. It returns nil. Without a connection, and without Run, the
// gateway counts alone.
func (l *Limits) Run(ctx context.Context) error {
	select {
	case <-l.wanted:
		l.shared.run(ctx)
	case <-ctx.Done():
	}
	return nil
}

// Limiter returns a limiter for a route with a RateLimit. Each route counts separately. Gateways count together if the
// conditions and the limit of the route are equal. It may be called while Run runs, because a reload makes limiters.
func (l *Limits) Limiter(r *config.Route) *Limiter {
	c := r.RateLimit
	lim := newLimit(c.Rate, c.Burst)
	limiter := &Limiter{
		limit:   lim,
		table:   newTable(maxCallers, l.metrics.evicted.Inc),
		metrics: l.metrics,
		now:     l.now,
	}
	if l.shared != nil && c.Scope == config.ScopeFleet {
		conditions := fmt.Sprintf("%q %q %q %q %v %v %v", r.Host, r.Path, r.Methods, r.Headers, c.Rate, c.Burst, c.Caller)
		limiter.shared = l.shared
		limiter.keyPrefix = fmt.Sprintf("tenfold:rate:%x:", sha256.Sum256([]byte(conditions)))[:len("tenfold:rate:")+16] + ":"
		limiter.maxLease = uint32(lim.depth / lim.interval / 8)
		l.want()
	}
	return limiter
}

// Limiter counts the requests of a route by caller. It is safe for concurrent use.
type Limiter struct {
	limit   limit
	table   *table
	metrics *Metrics
	now     func() int64 // nanoseconds

	shared    *shared // nil: this gateway counts alone
	keyPrefix string  // of the store's keys
	maxLease  uint32  // tokens
}

// Admit counts a request of a caller. If it refuses the request, it returns the time after which one can be admitted.
// The name of the caller becomes part of a key in the store, so it must not contain a secret.
//
// Admit usually takes well under a microsecond. If it has to ask the store, it takes one round trip, and at most twice
// Options.StoreTimeout.
func (l *Limiter) Admit(caller string) (ok bool, wait time.Duration) {
	s, key := l.table.shard(caller)
	now := l.now()
	s.mu.Lock()
	d, wait := l.table.bucket(s, key, now).decide(now, l.limit, l.countsAlone())
	s.mu.Unlock()
	if d == undecided {
		d, wait = l.decideWithStore(s, key, caller, now)
	}
	if d == admitted {
		l.metrics.admitted.Inc()
	} else {
		l.metrics.refused.Inc()
	}
	return d == admitted, wait
}

// countsAlone reports whether the gateway decides without the store.
func (l *Limiter) countsAlone() bool { return l.shared == nil || !l.shared.available() }
