package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// Invalidate drops keys. When it has returned nil, every read that starts later, on any node, sees the write that it
// follows. Call it after the transaction has committed, and before the write is acknowledged. If the database has
// replicas, ctx should carry the position of the commit, see [position.WithCommitted].
//
// Invalidate takes about three round trips: the store drops the keys and publishes, and each node with a level 1
// acknowledges. If a node does not answer while the store does, Invalidate evicts it and waits for the rest of its lease,
// at most Tuning.L1Lease, once. A store that stalls evicts no node. Invalidate also works in a process that does not call Run, for example in a migration. The nodes
// then acknowledge through the store.
//
// If Invalidate returns an error, some keys may be served with old values; call it again. The error is an
// *UnconfirmedError, or a *KeyError if a key is too long. The deadline of ctx limits the call, or else
// Tuning.InvalidateTimeout.
func (c *Cache[K, V]) Invalidate(ctx context.Context, keys ...K) error {
	return c.InvalidateAt(ctx, position.Committed(ctx), keys...)
}

// InvalidateAt is Invalidate with an explicit position of the commit.
func (c *Cache[K, V]) InvalidateAt(ctx context.Context, at position.Position, keys ...K) error {
	objects := make([]object, len(keys))
	for i, key := range keys {
		objects[i] = object{'k', c.o.Key(key)}
	}
	return c.invalidate(ctx, at, objects)
}

// InvalidateTags drops all keys for which Options.Tags returns one of the tags. It makes the same promise as
// Invalidate.
func (c *Cache[K, V]) InvalidateTags(ctx context.Context, tags ...string) error {
	return c.InvalidateTagsAt(ctx, position.Committed(ctx), tags...)
}

// InvalidateTagsAt is InvalidateTags with an explicit position of the commit.
func (c *Cache[K, V]) InvalidateTagsAt(ctx context.Context, at position.Position, tags ...string) error {
	objects := make([]object, len(tags))
	for i, tag := range tags {
		objects[i] = object{'t', tag}
	}
	return c.invalidate(ctx, at, objects)
}

func (c *Cache[K, V]) invalidate(ctx context.Context, at position.Position, objects []object) error {
	for _, o := range objects {
		if len(o.name) > maxKeyBytes {
			return &KeyError{Bytes: len(o.name)}
		}
	}
	pending := c.acks.open(objects)
	defer c.acks.close(pending)
	return c.invalidatePending(ctx, at, pending)
}

// invalidatePending invalidates in the store, drops the local copies, and waits until no node serves an older value.
func (c *Cache[K, V]) invalidatePending(
	ctx context.Context, at position.Position, pending []*pendingInvalidation,
) error {
	if _, limited := ctx.Deadline(); !limited {
		bounded, cancel := context.WithTimeout(ctx, c.o.Tuning.InvalidateTimeout)
		defer cancel()
		ctx = bounded
	}
	began := c.clock()
	err := c.invalidateInStore(ctx, at, pending)
	// Drop the local copies even if the store's answer is unknown.
	for _, p := range pending {
		c.stats.invalidations.add()
		c.drop(p.object)
	}
	if err == nil {
		err = c.confirm(ctx, pending)
	}
	if err == nil {
		return nil
	}
	u := &UnconfirmedError{After: time.Duration(c.clock() - began), Err: err}
	for _, p := range pending {
		c.stats.unconfirmed.add()
		u.Names = append(u.Names, p.object.name)
	}
	return u
}

// parallelInvalidations is how many names are invalidated at the same time. The client sends them together.
const parallelInvalidations = 32

// invalidateInStore runs the script for each name until the store has confirmed each.
func (c *Cache[K, V]) invalidateInStore(
	ctx context.Context, at position.Position, pending []*pendingInvalidation,
) error {
	var (
		group sync.WaitGroup
		errs  = make([]error, min(parallelInvalidations, len(pending)))
	)
	for i := range errs {
		group.Go(func() {
			for j := i; j < len(pending) && errs[i] == nil; j += parallelInvalidations {
				errs[i] = c.retryInvalidate(ctx, at, pending[j])
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (c *Cache[K, V]) retryInvalidate(ctx context.Context, at position.Position, p *pendingInvalidation) error {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		err := c.invalidateOnce(ctx, at, p)
		if err == nil {
			return nil
		}
		c.stats.storeErrors.add()
		if !sleep(ctx, pause) {
			return err
		}
	}
}

func (c *Cache[K, V]) invalidateOnce(ctx context.Context, at position.Position, p *pendingInvalidation) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	p.stored, err = c.store.invalidate(ctx, p.object, at, c.message(p, false), p.set)
	return err
}

// message returns the announcement of an invalidation. The acknowledgements go through the store if this process has no
// subscription, or if throughStore is true.
func (c *Cache[K, V]) message(p *pendingInvalidation, throughStore bool) string {
	m := message{object: p.object, id: p.id, writer: storedAcks + c.writerID}
	if s := c.subscription.Load(); s != nil && !throughStore {
		m.writer = s.node
	}
	return m.String()
}
