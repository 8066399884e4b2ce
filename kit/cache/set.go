package cache

import (
	"context"

	"github.com/tenfold-go/tenfold/kit/position"
)

// Reservation permits to store the result of a write, as long as no other write of the key has been invalidated since
// the reservation. It holds no resource; a reservation that is not used costs nothing.
type Reservation[K comparable, V any] struct {
	c   *Cache[K, V]
	key K

	name              string
	epoch, generation string // empty: the store did not answer, Set only invalidates
	tagVersions       string
}

// Reserve prepares Set for the result of a write. Call it before the transaction of the write begins. If the store does
// not answer, Set will only invalidate.
func (c *Cache[K, V]) Reserve(ctx context.Context, key K) *Reservation[K, V] {
	r := &Reservation[K, V]{c: c, key: key, name: c.o.Key(key)}
	if len(r.name) > maxKeyBytes || c.clock() < c.storeDown.Load() {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	f := &fetch[K, V]{c: c, key: key}
	err := f.readTags(ctx)
	if err == nil {
		r.epoch, r.generation, err = c.store.reserve(ctx, r.name)
	}
	if err != nil {
		c.stats.storeErrors.add()
	}
	r.tagVersions = f.tagVersions
	return r
}

// Set is Invalidate for the reserved key, and it leaves value in the store if that is safe. Call it after the
// transaction has committed, with the value that the transaction has left. It makes the same promise as Invalidate, and
// returns the same errors.
//
// The value is stored only if no invalidation of the key has come in since Reserve, and if the store has not lost data
// since. So a Set that is late cannot hide a newer write: if the newer write was invalidated before Set, the store
// refuses the value; if it is invalidated later, that drops the value.
func (r *Reservation[K, V]) Set(ctx context.Context, value V) error {
	c := r.c
	if len(r.name) > maxKeyBytes {
		return &KeyError{Bytes: len(r.name)}
	}
	at := position.Committed(ctx)
	pending := c.acks.open([]object{{'k', r.name}})
	defer c.acks.close(pending)
	pending[0].set = r.newValue(value, at)
	err := c.invalidatePending(ctx, at, pending)
	if pending[0].stored {
		c.stats.sets.add()
	} else {
		c.stats.setsRefused.add()
	}
	return err
}

// newValue returns the value for the store, or nil if it cannot be stored.
func (r *Reservation[K, V]) newValue(value V, at position.Position) *newValue {
	freshFor, keepFor := r.c.lifetime(r.key, value)
	encoded, ok := r.c.encodeValue(value)
	if !ok || freshFor <= 0 || r.epoch == "" {
		return nil
	}
	return &newValue{
		token: r.c.token(), epoch: r.epoch, generation: r.generation, at: at,
		value: encoded, freshFor: freshFor, keepFor: keepFor, tagVersions: r.tagVersions,
	}
}
