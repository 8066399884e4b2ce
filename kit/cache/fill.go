package cache

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// fill completes the call with the loader's value, and stores the value.
func (f *fetch[K, V]) fill() {
	f.c.stats.misses.add()
	value, err := f.loadAndStore()
	f.c.complete(f.key, f.call, value, err, false)
}

// loadUncached completes the call with the loader's value, and does not store the value.
func (f *fetch[K, V]) loadUncached(needed position.Position) {
	f.c.stats.bypassed.add()
	l := f.c.loadOne(f.call.ctx, f.key, needed)
	f.c.complete(f.key, f.call, l.value, l.err, false)
}

// loadAndStore loads under the lease of f. Its result is for the readers of the call. They all began before any
// invalidation that makes the store refuse the value.
func (f *fetch[K, V]) loadAndStore() (V, error) {
	return f.storeLoaded(f.c.loadOne(f.call.ctx, f.key, f.needed))
}

// storeLoaded stores what the loader has returned, or releases the lease. It returns the loader's result. A result that
// is not to be kept is stored for a millisecond, because it ends an older value.
func (f *fetch[K, V]) storeLoaded(l loaded[V]) (V, error) {
	c := f.c
	v := newValue{
		token: f.token, epoch: f.entry.epoch, generation: f.entry.generation, needed: f.needed, at: l.at,
		loadTime: l.took, tagVersions: f.tagVersions,
	}
	switch {
	case l.err == nil:
		var ok bool
		if v.value, ok = c.encodeValue(l.value); !ok {
			f.release(c.o.Tuning.Retry)
			return l.value, nil
		}
		v.freshFor, v.keepFor = c.lifetime(f.key, l.value)
	case errors.Is(l.err, ErrNotFound):
		v.notFound = true
		v.freshFor = c.jittered(c.o.NegativeTTL)
		v.keepFor = v.freshFor
	default:
		f.release(c.o.Tuning.Retry)
		return l.value, l.err
	}
	if f.put(v) {
		e := &localEntry[V]{value: l.value, notFound: v.notFound, loaded: c.clock(), generation: v.generation}
		c.keep(f.key, f.call, e, v.freshFor)
	}
	return l.value, l.err
}

// put stores a value, tries again if the reply is lost, and counts what the store refuses.
func (f *fetch[K, V]) put(v newValue) bool {
	for range storeTries {
		ctx, cancel := context.WithTimeout(f.call.ctx, f.c.o.Tuning.StoreTimeout)
		result, err := f.c.store.fill(ctx, f.call.name, v)
		cancel()
		if err != nil {
			f.c.stats.storeErrors.add()
			continue
		}
		f.c.stats.countFill(result)
		return result == fillStored
	}
	return false
}

// release ends the lease. If that fails, the lease runs out.
func (f *fetch[K, V]) release(backOff time.Duration) {
	ctx, cancel := context.WithTimeout(f.call.ctx, f.c.o.Tuning.StoreTimeout)
	defer cancel()
	if err := f.c.store.release(ctx, f.call.name, f.token, backOff); err != nil {
		f.c.stats.storeErrors.add()
	}
}

// unknownPosition returns what a load has to reach when the store cannot say it.
func (c *Cache[K, V]) unknownPosition() position.Position {
	if c.o.MaxLag > 0 {
		return position.Primary
	}
	return position.Position{}
}

// lifetime returns how long a value is fresh, and how long the store keeps it. Both are 0 for a value that is not kept.
func (c *Cache[K, V]) lifetime(key K, value V) (freshFor, keepFor time.Duration) {
	ttl := c.o.TTL
	if c.o.TTLOf != nil {
		switch own := c.o.TTLOf(key, value); {
		case own < 0:
			return 0, 0
		case own > 0:
			ttl = own
		}
	}
	freshFor = c.jittered(ttl)
	switch stale := c.o.Stale; {
	case stale < 0:
		return freshFor, freshFor
	case stale > 0:
		return freshFor, freshFor + stale
	}
	return freshFor, freshFor + ttl
}

// encodeValue returns the stored form of a value. ok is false if the value does not encode or is too large.
func (c *Cache[K, V]) encodeValue(value V) (b []byte, ok bool) {
	b, err := c.o.Encode(value)
	if err != nil || len(b) > c.o.Tuning.MaxValueBytes {
		c.stats.unstorable.add()
		return nil, false
	}
	return b, true
}

// earliness returns how many load durations before the end of TTL this read would refresh. It is exponentially
// distributed, so that few reads are early and one nearly surely is. See Vattani and others, "Optimal Probabilistic
// Cache Stampede Prevention", 2015.
func (c *Cache[K, V]) earliness() float64 { return -math.Log(1-c.unit()) * c.o.Tuning.Early }

func (c *Cache[K, V]) jittered(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*c.o.Tuning.Jitter*(2*c.unit()-1))
}

// unit returns a random number in [0, 1).
func (c *Cache[K, V]) unit() float64 { return float64(c.random()>>11) / (1 << 53) }

// token returns a text that is unique to a fetch.
func (c *Cache[K, V]) token() string {
	return strconv.FormatUint(c.random(), 36) + "." + strconv.FormatUint(c.random(), 36)
}
