package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// loaded is the result of one load.
type loaded[V any] struct {
	value V
	at    position.Position
	took  time.Duration
	err   error
}

// withPositions makes a ReplicaLoader of a Loader: the positions travel in the context.
func withPositions[K comparable, V any](load Loader[K, V]) ReplicaLoader[K, V] {
	return func(ctx context.Context, key K, needed position.Position) (V, position.Position, error) {
		ctx, read := position.WithRead(ctx, needed)
		value, err := load(ctx, key)
		return value, read.At(), err
	}
}

// limiter limits the loads that run and wait at the same time.
type limiter struct {
	slots      chan struct{}
	maxWaiting int64
	waiting    atomic.Int64
}

// acquire waits for a slot. It returns ErrOverloaded if too many loads are waiting, or if ctx ends first.
func (l *limiter) acquire(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	if l.waiting.Add(1) > l.maxWaiting {
		l.waiting.Add(-1)
		return ErrOverloaded
	}
	defer l.waiting.Add(-1)
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: no free slot within LoadTimeout", ErrOverloaded)
	}
}

func (l *limiter) release() { <-l.slots }

// loadOne calls the loader for one key and makes sure that it read no earlier than needed.
func (c *Cache[K, V]) loadOne(ctx context.Context, key K, needed position.Position) loaded[V] {
	load := func(ctx context.Context, needed position.Position) (v V, at position.Position, err error) {
		defer recoverLoad(&err, key)
		return c.load(ctx, key, needed)
	}
	return runLoad(ctx, c, needed, load)
}

// loadMany calls Options.LoadMany and makes sure that it read no earlier than needed.
func (c *Cache[K, V]) loadMany(ctx context.Context, keys []K, needed position.Position) loaded[map[K]V] {
	load := func(ctx context.Context, needed position.Position) (m map[K]V, at position.Position, err error) {
		defer recoverLoad(&err, keys)
		ctx, read := position.WithRead(ctx, needed)
		m, err = c.o.LoadMany(ctx, keys)
		return m, read.At(), err
	}
	return runLoad(ctx, c, needed, load)
}

// recoverLoad turns a panic of the loader into an error. The panic would end the process, because the loader runs in a
// goroutine of the cache.
func recoverLoad(err *error, keys any) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("load %v: panic: %v", keys, p)
	}
}

// runLoad waits for a slot and calls load. If load read from before needed, it is called once more for the primary.
func runLoad[K comparable, V, R any](
	ctx context.Context, c *Cache[K, V], needed position.Position,
	load func(context.Context, position.Position) (R, position.Position, error),
) loaded[R] {
	ctx, cancel := context.WithTimeout(ctx, c.o.LoadTimeout)
	defer cancel()
	if err := c.loads.acquire(ctx); err != nil {
		c.stats.overloaded.add()
		return loaded[R]{err: err}
	}
	defer c.loads.release()
	begin := time.Now()
	for _, needed := range []position.Position{needed, position.Primary} {
		c.stats.loads.add()
		value, at, err := load(ctx, needed)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			c.stats.loadErrors.add()
			return loaded[R]{took: time.Since(begin), err: err}
		case !at.Before(needed):
			return loaded[R]{value: value, at: at, took: time.Since(begin), err: err}
		}
		c.stats.behind.add()
	}
	return loaded[R]{took: time.Since(begin), err: ErrBehind}
}
