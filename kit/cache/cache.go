package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"
)

// Loader reads a key's value where it really is, usually a database.
//
// When need is not zero, the read has to have reached it: on a replica that is past need, or where writes are made, which is
// the only choice when need is [Primary]. The loader reports where it read in Loaded.At; a loader that always reads where
// writes are made may leave At zero as long as nobody passes positions to Invalidate, or set it to Primary.
//
// A loader returns ErrNotFound, wrapped or not, for what does not exist. It is called from its own goroutine, for different
// keys at the same time, with a context that ends after Options.LoadTimeout and that carries the values, not the
// cancellation, of the Get that came first. It must give up when its context ends.
type Loader[K comparable, V any] func(ctx context.Context, key K, need Position) (Loaded[V], error)

// Loaded is what a Loader has found.
type Loaded[V any] struct {
	Value V
	At    Position // where it was read; see Loader
}

var (
	// ErrNotFound says that the key has no value. Loaders return it, Get passes it on.
	ErrNotFound = errors.New("not found")
	// ErrOverloaded says that too many loads run and wait already; see Options.MaxLoads.
	ErrOverloaded = errors.New("too many loads")
	// ErrBehind says that a loader, although sent to the primary, answered from before a position that it had to reach.
	ErrBehind = errors.New("loader read from before the last known write")
)

// Cache keeps values of one kind in this process and in a store that all nodes share. Make it with New. All methods are safe
// for concurrent use.
type Cache[K comparable, V any] struct {
	name  string
	load  Loader[K, V]
	o     Options[K, V]
	store store
	start time.Time // what clock counts from
	draw  func() uint64

	l1      *otter.Cache[K, *local[V]] // nil: none
	session atomic.Pointer[session]    // nil: the first level is bypassed
	running atomic.Bool                // Run runs
	down    atomic.Int64               // until then the store is not asked
	gate    gate
	stats   counters
	waiting confirmations

	mu    sync.Mutex
	lanes map[K]*lane[V]  // guarded by mu: what is being read of each key
	tags  map[string]*tag // guarded by mu: those that local entries and flights depend on
}

// local is an entry of the first level. It is never changed.
type local[V any] struct {
	value    V
	negative bool
	session  *session
	tags     []*tag
	made     int64 // on the cache's clock, when the value was loaded
	until    int64
	gen      string
	filler   string
}

// tag is one generation of a tag as this process knows it; entries made under a dead one are dead.
type tag struct{ dead atomic.Bool }

// New makes a cache that nodes share by its name (1 to 64 letters, digits, dots, dashes, underscores) in the store behind
// client, whose life it does not manage. It starts nothing and sends nothing; o may be nil. Until Run is called, and whenever
// its subscription is down, reads bypass the first level.
func New[K comparable, V any](
	client rueidis.Client, name string, load Loader[K, V], o *Options[K, V],
) (*Cache[K, V], error) {
	if client == nil || load == nil {
		return nil, fmt.Errorf("make cache %q: client and loader are required", name)
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make cache %q: %w", name, err)
	}
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("make cache %q: the name is not 1 to 64 letters, digits, dots, dashes, underscores", name)
	}
	prefix := name + "/" + options.Version
	return assemble(newRedisStore(client, prefix), prefix, load, options)
}

// assemble takes checked options and any store.
func assemble[K comparable, V any](s store, name string, load Loader[K, V], o Options[K, V]) (*Cache[K, V], error) {
	c := &Cache[K, V]{
		name: name, load: load, o: o, store: s, start: time.Now(), draw: rand.Uint64,
		gate:  gate{slots: make(chan struct{}, o.MaxLoads), queue: int64(10 * o.MaxLoads)},
		lanes: map[K]*lane[V]{}, tags: map[string]*tag{},
	}
	if o.L1Entries > 0 {
		l1, err := otter.New(&otter.Options[K, *local[V]]{MaximumSize: o.L1Entries, Logger: &otter.NoopLogger{}})
		if err != nil {
			return nil, fmt.Errorf("make cache %q: %w", name, err)
		}
		c.l1 = l1
	}
	c.o.Log = o.Log.With(slog.String("cache", name))
	return c, nil
}

// Get returns the value of key: from this process, from the store, or from the loader, whose call all readers of the key
// share, here and on other nodes. A read that starts after an Invalidate of the key has returned nil, on any node, never
// gets an older value.
//
// The value is shared: treat what it points to as read-only. The error is ErrNotFound, ErrOverloaded, ErrBehind, the
// loader's, or ctx's when it ends first; the store's failure is no error, the loader answers then. A deadline is kept to the
// moment; who cancels while the store hangs may wait for Options.StoreTimeout.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	if c.l1 != nil {
		if e, ok := c.l1.GetIfPresent(key); ok && c.usable(e) {
			c.stats.hitsL1.add()
			if e.negative {
				return e.value, ErrNotFound
			}
			return e.value, nil
		}
	}
	var none V
	name := c.o.Key(key)
	if len(name) > maxKeyBytes {
		return none, &KeyError{Bytes: len(name)}
	}
	f, first := c.board(ctx, key, name)
	switch {
	case first && c.unhurried(ctx):
		c.depart(key, f)
	case first:
		go c.depart(key, f)
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// unhurried tells whether there is time for a call of the store before ctx's deadline.
func (c *Cache[K, V]) unhurried(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || time.Until(deadline) > c.o.StoreTimeout)
}

// usable tells whether an entry of the first level may be served now: no Invalidate that this process has not heard of can
// have returned.
func (c *Cache[K, V]) usable(e *local[V]) bool {
	now := c.clock()
	s := c.session.Load()
	if s == nil || s != e.session || now >= s.until.Load() || now >= e.until {
		return false
	}
	return alive(e.tags)
}

func alive(tags []*tag) bool {
	for _, t := range tags {
		if t.dead.Load() {
			return false
		}
	}
	return true
}

// clock is monotonic nanoseconds.
func (c *Cache[K, V]) clock() int64 { return int64(time.Since(c.start)) }

// keep puts a value into the first level unless an invalidation came since the flight began.
func (c *Cache[K, V]) keep(key K, f *flight[V], e *local[V], fresh time.Duration) {
	if c.l1 == nil || fresh <= 0 {
		return
	}
	now := c.clock()
	e.session, e.tags = f.session, f.tags
	e.until = now + int64(min(fresh, c.o.L1TTL))
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.detached || f.session == nil || f.session != c.session.Load() {
		return
	}
	c.l1.Set(key, e)
}

// drop forgets a key or a tag here: what is in the first level, and what is on its way there.
func (c *Cache[K, V]) drop(o object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.kind == 't' {
		if t := c.tags[o.name]; t != nil {
			t.dead.Store(true)
			delete(c.tags, o.name)
		}
		return
	}
	key, err := c.o.ParseKey(o.name)
	if err != nil {
		c.o.Log.Error("an invalidated key cannot be read: it is not this cache's", "key", o.name, "err", err)
		return
	}
	if c.l1 != nil {
		c.l1.Invalidate(key)
	}
	if l := c.lanes[key]; l != nil {
		l.detach()
	}
}

// maxTags bounds the tags that this process remembers; beyond it all are forgotten, which only costs hits.
const maxTags = 1 << 16

// watch returns the current generations of a key's tags; mu is held.
func (c *Cache[K, V]) watch(key K) []*tag {
	if c.o.Tags == nil {
		return nil
	}
	names := c.o.Tags(key)
	tags := make([]*tag, len(names))
	for i, name := range names {
		t := c.tags[name]
		if t == nil {
			if len(c.tags) >= maxTags {
				for _, old := range c.tags {
					old.dead.Store(true)
				}
				clear(c.tags)
			}
			t = &tag{}
			c.tags[name] = t
		}
		tags[i] = t
	}
	return tags
}
