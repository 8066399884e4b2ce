// Package ratelimit decides whether a caller's request comes too early: by GCRA, for one gateway alone or for all that share
// a store, without a round trip per request.
package ratelimit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/store"
)

// Options tune Limits. Zero fields mean their defaults.
type Options struct {
	Log      *slog.Logger          // that the store is away or back; default: discard
	Metrics  prometheus.Registerer // default: none
	Patience time.Duration         // how long a request waits for the store before it is decided without; default 50ms
}

// Limits are the limiters of one gateway. It is safe for concurrent use, but for Limiter.
type Limits struct {
	metrics *metrics
	fleet   *fleet // nil without a store
	used    bool   // by a limiter
	now     func() int64
}

// New makes Limits without limiters. Without a store (nil, or one that is none) each gateway counts alone.
func New(s *store.Store, o *Options) *Limits {
	if o == nil {
		o = &Options{}
	}
	begun := time.Now()
	l := &Limits{metrics: newMetrics(o.Metrics), now: func() int64 { return int64(time.Since(begun)) }}
	if s != nil {
		l.fleet = newFleet(l.metrics, cmp.Or(o.Log, slog.New(slog.DiscardHandler)), cmp.Or(o.Patience, 50*time.Millisecond))
		l.fleet.connect = l.fleet.connector(s)
	}
	return l
}

// Run keeps the connection to the store until ctx ends. Before it has one, and without Run, the gateway counts alone.
func (l *Limits) Run(ctx context.Context) error {
	if l.used {
		l.fleet.run(ctx)
		return nil
	}
	<-ctx.Done()
	return nil
}

// Limiter makes the limiter of a route, which must have a RateLimit. It counts for this route alone: gateways count together
// what has the same conditions and the same limit. All limiters are made before Run.
func (l *Limits) Limiter(r *config.Route) *Limiter {
	c := r.RateLimit
	lim := newLimit(c.Rate, c.Burst)
	limiter := &Limiter{
		limit:   lim,
		table:   newTable(mostCallers, l.metrics.forgotten.Inc),
		metrics: l.metrics,
		now:     l.now,
	}
	if l.fleet != nil && c.Scope == config.ScopeFleet {
		conditions := fmt.Sprintf("%q %q %q %q %v %v %v", r.Host, r.Path, r.Methods, r.Headers, c.Rate, c.Burst, c.Caller)
		limiter.fleet = l.fleet
		limiter.prefix = fmt.Sprintf("tenfold:rate:%x:", sha256.Sum256([]byte(conditions)))[:len("tenfold:rate:")+16] + ":"
		limiter.largest = uint32(lim.depth / lim.interval / 8)
		l.used = true
	}
	return limiter
}

// Limiter counts the requests of a route, by caller. It is safe for concurrent use.
type Limiter struct {
	limit   limit
	table   *table
	metrics *metrics
	now     func() int64 // nanoseconds

	fleet   *fleet // nil: this gateway counts alone
	prefix  string // of the store's keys
	largest uint32 // lease
}

// Admit counts a request of a caller, or refuses it and says after which time one may be admitted. The caller's name is part
// of a key in the store: it has no secret in it. Admit takes well under a microsecond, but for the few requests that have to
// ask the store; these take a round trip, and at most twice Options.Patience.
func (l *Limiter) Admit(caller string) (ok bool, wait time.Duration) {
	s, key := l.table.shard(caller)
	now := l.now()
	s.mu.Lock()
	v, wait := l.table.account(s, key, now).decide(now, l.limit, l.alone())
	s.mu.Unlock()
	if v == unknown {
		v, wait = l.consult(s, key, caller, now)
	}
	if v == admitted {
		l.metrics.admitted.Inc()
	} else {
		l.metrics.refused.Inc()
	}
	return v == admitted, wait
}

func (l *Limiter) alone() bool { return l.fleet == nil || !l.fleet.up() }
