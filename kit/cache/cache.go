// Package cache keeps values in two levels: in this process, and in a Redis or Valkey that all nodes share. After an
// acknowledged write it never serves an older value.
//
// Create a [Cache] with [New] and a [Loader]. Keep [Cache.Run] running next to the server. Read with [Cache.Get] or
// [Cache.GetMany]. After the transaction of a write has committed, and before the write is acknowledged, call
// [Cache.Invalidate]. When Invalidate has returned nil, every read that starts later, on any node, sees the write.
//
// # How it keeps the promise
//
// A loader's value is stored only under a lease: a unique token together with the generation of the key. An
// invalidation ends the lease and raises the generation in one script. The store therefore refuses the value of a load
// that began before the invalidation, no matter which node loaded it.
//
// An invalidation can carry the position of the commit in the database's log, see package position. A load has to reach
// that position before its value is stored, so a replica that lags behind cannot fill the cache with an old value.
//
// The script also publishes the invalidation. Each node with a level 1 drops the key and acknowledges; Invalidate
// returns when all have acknowledged. A node serves from level 1 only while the store has confirmed, within
// [Tuning.L1Lease], that invalidations wait for it. A node that is cut off stops serving from level 1 before any
// Invalidate returns without its acknowledgement.
//
// The store's data has an epoch. The epoch changes when the data is lost, or when another server answers for it. Values
// of an earlier epoch are ignored, so old values do not come back after a failover that lost invalidations, or after a
// restart from an old file. Each read and each write checks at the same instant which server answers, and since when
// that server has been a master. Answers of a replica are ignored.
//
// # What it does not promise
//
//   - A write without Invalidate becomes visible when the time to live and [Options.Stale] have passed.
//   - Between the commit and the return of Invalidate, some reads return the old value and some the new one.
//   - Two versions of a cache, see [Options.Version], share nothing. An invalidation reaches only its own version.
//   - A Redis master that is cut off may keep serving clients on its side after another one has taken over. Set
//     min-replicas-to-write and min-replicas-max-lag against that.
//   - Restarts from a file and failovers stay unnoticed if scripts may not call INFO.
//   - A machine whose monotonic clock stops during suspend may serve from level 1 for the rest of a lease after that.
package cache

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/position"
	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// Loader reads the value of a key from its source, usually a database. It returns ErrNotFound, wrapped or not, if the
// key does not exist.
//
// A loader runs in its own goroutine, for several keys at the same time. Its context ends after Options.LoadTimeout.
// The context carries the values, but not the cancellation, of the Get that came first. The loader must return when its
// context ends.
//
// A loader that reads from replicas asks [position.Needed] what it has to reach, and calls [position.Report] with the
// position at which it read. If it has to reach position.Primary, it must read from the primary.
type Loader[K comparable, V any] func(ctx context.Context, key K) (V, error)

// ReplicaLoader is a Loader that handles positions itself. It gets the position that it has to reach, and returns the
// position at which it read.
type ReplicaLoader[K comparable, V any] func(
	ctx context.Context, key K, needed position.Position,
) (value V, at position.Position, err error)

// Cache keeps values of one kind in this process and in a store that all nodes share. Create it with New. All methods
// are safe for concurrent use.
type Cache[K comparable, V any] struct {
	name     string // with the version
	load     ReplicaLoader[K, V]
	o        Options[K, V]
	store    store
	start    time.Time // what clock counts from
	random   func() uint64
	writerID string // names this process in acknowledgements that go through the store

	l1           *otter.Cache[K, *localEntry[V]] // nil: no level 1
	subscription atomic.Pointer[subscription]    // nil: level 1 is bypassed
	running      atomic.Bool                     // Run is running
	storeDown    atomic.Int64                    // until then the store is not asked
	loads        limiter
	stats        counters
	acks         ackTracker
	renewals     renewals

	mu   sync.Mutex
	keys map[K]*keyState[V] // guarded by mu: the calls of each key
	tags map[string]*tag    // guarded by mu: the tags of local entries and calls
}

// New creates a cache. Nodes share it by its name (1 to 64 letters, digits, dots, dashes, underscores) in the store
// behind client. The caller closes client after use. New starts nothing and sends nothing; o may be nil. Reads bypass
// level 1 until Run is called, and while its subscription is down.
//
// New fails if a required argument is missing, if an option is invalid, or if client sends commands to replicas.
func New[K comparable, V any](
	client rueidis.Client, name string, load Loader[K, V], o *Options[K, V],
) (*Cache[K, V], error) {
	if load == nil {
		return nil, fmt.Errorf("create cache %q: a loader is required", name)
	}
	return NewReplicated(client, name, withPositions(load), o)
}

// NewReplicated is New for a loader that handles positions itself.
func NewReplicated[K comparable, V any](
	client rueidis.Client, name string, load ReplicaLoader[K, V], o *Options[K, V],
) (*Cache[K, V], error) {
	if client == nil || load == nil {
		return nil, fmt.Errorf("create cache %q: client and loader are required", name)
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("create cache %q: %w", name, err)
	}
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("create cache %q: the name is not 1 to 64 letters, digits, dots, dashes, underscores", name)
	}
	if err := redisscript.CheckClient(client); err != nil {
		return nil, fmt.Errorf("create cache %q: %w", name, err)
	}
	prefix := name + "/" + options.Version
	settings := options.settings(o != nil && o.Key != nil)
	return assemble(newRedisStore(client, prefix, settings, options.Tuning.L1Lease), prefix, load, options)
}

// assemble creates a cache of checked options on any store.
func assemble[K comparable, V any](
	s store, name string, load ReplicaLoader[K, V], o Options[K, V],
) (*Cache[K, V], error) {
	c := &Cache[K, V]{
		name: name, load: load, o: o, store: s, start: time.Now(), random: rand.Uint64,
		loads: limiter{slots: make(chan struct{}, o.MaxLoads), maxWaiting: int64(10 * o.MaxLoads)},
		keys:  map[K]*keyState[V]{}, tags: map[string]*tag{},
	}
	c.writerID = c.token()
	if o.L1Entries > 0 {
		l1, err := otter.New(&otter.Options[K, *localEntry[V]]{MaximumSize: o.L1Entries, Logger: &otter.NoopLogger{}})
		if err != nil {
			return nil, fmt.Errorf("create cache %q: %w", name, err)
		}
		c.l1 = l1
	}
	c.o.Log = o.Log.With(slog.String("cache", name))
	return c, nil
}

// Get returns the value of key from this process, from the store, or from the loader. All reads of a key share one call
// of the loader, here and on other nodes. A read that starts after an Invalidate of the key has returned nil, on any
// node, never gets an older value.
//
// Readers share the value: do not change what it points to. The error is ErrNotFound, ErrOverloaded, ErrBehind, the
// error of the loader, or the cause of ctx if ctx ends first. A failure of the store is not an error; the loader is
// called instead. Get returns at the deadline of ctx. After a cancellation while the store does not answer, it may
// return only after Tuning.StoreTimeout.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	if e, ok := c.local(key); ok {
		if e.notFound {
			return e.value, ErrNotFound
		}
		return e.value, nil
	}
	var none V
	name := c.o.Key(key)
	if len(name) > maxKeyBytes {
		return none, &KeyError{Bytes: len(name)}
	}
	call, first := c.join(ctx, key, name)
	switch {
	case first && c.hasTime(ctx):
		c.answer(key, call)
	case first:
		go c.answer(key, call)
	}
	select {
	case <-call.done:
		return call.value, call.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// hasTime reports whether one call of the store fits before the deadline of ctx.
func (c *Cache[K, V]) hasTime(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || time.Until(deadline) > c.o.Tuning.StoreTimeout)
}

// clock returns monotonic nanoseconds since the cache was created.
func (c *Cache[K, V]) clock() int64 { return int64(time.Since(c.start)) }
