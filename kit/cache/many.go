package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenfold-go/tenfold/kit/position"
)

// GetMany returns the values of several keys. Keys that do not exist are missing in the result. It makes the same
// promise for each key as Get, but the values need not be of one instant.
//
// Keys that are not in level 1 cost one round trip to the store together, and a second one if the store misses some of
// them. On a Redis Cluster the keys are read from all their nodes at the same time. What is nowhere is loaded by
// Options.LoadMany in one call, or else by one call of the loader per key.
//
// If some keys fail, GetMany returns the values of the others together with the errors.
func (c *Cache[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	values := make(map[K]V, len(keys))
	var waiting []*fetch[K, V]
	var first []*fetch[K, V] // the part of waiting that this call has to start
	known := make(map[K]bool, len(keys))
	for _, key := range keys {
		if known[key] {
			continue
		}
		known[key] = true
		if e, ok := c.local(key); ok {
			if !e.notFound {
				values[key] = e.value
			}
			continue
		}
		name := c.o.Key(key)
		if len(name) > maxKeyBytes {
			c.answerMany(first)
			return values, &KeyError{Bytes: len(name)}
		}
		call, isFirst := c.join(ctx, key, name)
		f := &fetch[K, V]{c: c, key: key, call: call}
		waiting = append(waiting, f)
		if isFirst {
			first = append(first, f)
		}
	}
	if c.hasTime(ctx) {
		c.answerMany(first)
	} else {
		go c.answerMany(first)
	}
	var errs []error
	for _, f := range waiting {
		select {
		case <-f.call.done:
		case <-ctx.Done():
			return values, context.Cause(ctx)
		}
		switch err := f.call.err; {
		case err == nil:
			values[f.key] = f.call.value
		case !errors.Is(err, ErrNotFound):
			errs = append(errs, fmt.Errorf("get %v: %w", f.key, err))
		}
	}
	return values, errors.Join(errs...)
}

// answerMany completes the calls of several fetches. It returns after the lookup; what the store does not have is
// fetched in goroutines.
func (c *Cache[K, V]) answerMany(fetches []*fetch[K, V]) {
	if len(fetches) == 0 {
		return
	}
	if rest := c.lookupMany(fetches); len(rest) > 0 {
		go c.runMany(rest)
	}
}

// lookupMany completes the calls whose values are in the store and need no refresh. It returns the other fetches.
func (c *Cache[K, V]) lookupMany(fetches []*fetch[K, V]) (rest []*fetch[K, V]) {
	if c.clock() < c.storeDown.Load() {
		return fetches
	}
	ctx, cancel := context.WithTimeout(fetches[0].call.ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	err := c.readTagsOfMany(ctx, fetches)
	var entries []entry
	if err == nil {
		entries, err = c.store.lookupMany(ctx, names(fetches), c.earliness())
	}
	if err != nil {
		for _, f := range fetches {
			f.storeFailed()
		}
		return fetches
	}
	for i, f := range fetches {
		f.entry = entries[i]
		if !f.entry.found || !f.serve() {
			rest = append(rest, f)
		}
	}
	return rest
}

// runMany asks the store for the values or the leases of all fetches at once. It loads what it gets a lease for. The
// fetches that need more than one question go on alone.
func (c *Cache[K, V]) runMany(fetches []*fetch[K, V]) {
	if err := c.acquireMany(fetches); err != nil {
		for _, f := range fetches {
			go f.run()
		}
		return
	}
	var granted []*fetch[K, V]
	for _, f := range fetches {
		switch {
		case f.entry.found && f.entry.granted: // the value needs a refresh, which takes as long as a load
			go f.serveOrRun()
		case f.entry.found:
			f.serveOrRun()
		case f.entry.granted:
			granted = append(granted, f)
		default:
			go f.run()
		}
	}
	c.fillMany(granted)
}

// serveOrRun completes the call with the value of f.entry, or asks the store again if the value cannot be used.
func (f *fetch[K, V]) serveOrRun() {
	if !f.serve() {
		go f.run()
	}
}

func (c *Cache[K, V]) acquireMany(fetches []*fetch[K, V]) error {
	if c.clock() < c.storeDown.Load() {
		return errStoreDown
	}
	ctx, cancel := context.WithTimeout(fetches[0].call.ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	requests := make([]leaseRequest, len(fetches))
	for i, f := range fetches {
		requests[i] = f.newRequest()
	}
	err := c.readTagsOfMany(ctx, fetches)
	var entries []entry
	if err == nil {
		entries, err = c.store.acquireMany(ctx, names(fetches), requests)
	}
	if err != nil {
		c.stats.storeErrors.add()
		return err
	}
	for i, f := range fetches {
		f.entry = entries[i]
		f.needed = position.Later(f.needed, f.entry.needed)
	}
	return nil
}

// fillMany completes calls with loaded values, and stores the values.
func (c *Cache[K, V]) fillMany(fetches []*fetch[K, V]) {
	if c.o.LoadMany == nil || len(fetches) < 2 {
		for _, f := range fetches {
			go f.fill()
		}
		return
	}
	keys := make([]K, len(fetches))
	var needed position.Position
	for i, f := range fetches {
		c.stats.misses.add()
		keys[i] = f.key
		needed = position.Later(needed, f.needed)
	}
	l := c.loadMany(fetches[0].call.ctx, keys, needed)
	for _, f := range fetches {
		own := loaded[V]{at: l.at, took: l.took, err: l.err}
		if l.err == nil {
			var ok bool
			if own.value, ok = l.value[f.key]; !ok {
				own.err = ErrNotFound
			}
		}
		go func() {
			value, err := f.storeLoaded(own)
			c.complete(f.key, f.call, value, err, false)
		}()
	}
}

// readTagsOfMany is fetch.readTags for several fetches in one round trip.
func (c *Cache[K, V]) readTagsOfMany(ctx context.Context, fetches []*fetch[K, V]) error {
	if c.o.Tags == nil {
		return nil
	}
	lists := make([][]string, len(fetches))
	for i, f := range fetches {
		lists[i] = c.o.Tags(f.key)
	}
	states, err := c.store.tagVersions(ctx, lists, c.o.MaxLag)
	if err != nil {
		return err
	}
	for i, f := range fetches {
		f.tagVersions, f.needed = states[i].versions, states[i].needed
	}
	return nil
}

func names[K comparable, V any](fetches []*fetch[K, V]) []string {
	all := make([]string, len(fetches))
	for i, f := range fetches {
		all[i] = f.call.name
	}
	return all
}
