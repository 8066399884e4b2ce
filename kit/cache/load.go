package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// gate bounds the calls of the loader: so many run, so many wait, the rest are turned away.
type gate struct {
	slots   chan struct{}
	queue   int64
	waiting atomic.Int64
}

func (g *gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return ErrOverloaded
	}
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: no turn within the load's time", ErrOverloaded)
	}
}

func (g *gate) leave() { <-g.slots }

// callLoader calls the loader in its turn and makes sure that it read no earlier than need.
func (c *Cache[K, V]) callLoader(ctx context.Context, key K, need Position) (Loaded[V], time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.LoadTimeout)
	defer cancel()
	if err := c.gate.enter(ctx); err != nil {
		c.stats.overloaded.add()
		return Loaded[V]{}, 0, err
	}
	defer c.gate.leave()
	begin := time.Now()
	for _, need := range []Position{need, Primary} {
		c.stats.loads.add()
		loaded, err := c.guarded(ctx, key, need)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			c.stats.loadErrors.add()
			return Loaded[V]{}, time.Since(begin), err
		case !loaded.At.Before(need):
			return loaded, time.Since(begin), err
		}
		c.stats.behind.add()
	}
	return Loaded[V]{}, time.Since(begin), ErrBehind
}

// guarded makes an error of a loader's panic: it would otherwise end the process from a goroutine that is not the caller's.
func (c *Cache[K, V]) guarded(ctx context.Context, key K, need Position) (loaded Loaded[V], err error) {
	defer func() {
		if p := recover(); p != nil {
			loaded, err = Loaded[V]{}, fmt.Errorf("load %v: panic: %v", key, p)
		}
	}()
	return c.load(ctx, key, need)
}
