package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	errExpelled = errors.New("this node did not answer an invalidation in time")
	errSilent   = errors.New("nodes have not answered")
)

const (
	// resend is when an invalidation that a node has not answered is said again: it may have been lost on the way.
	resend = 40 * time.Millisecond
	// patience is how long a node may be silent before it is expelled, and the invalidation waits out its lease.
	patience = 250 * time.Millisecond
)

// Invalidate makes every read that starts after it has returned nil, on any node, see the write that it follows. Call it
// after the transaction has committed, before the write is acknowledged. at is the database's position after that commit,
// which keeps lagging replicas from filling the cache again; zero when there are none.
//
// It takes about three round trips: the store drops the keys and publishes, and each node with a first level answers. A node
// that does not answer is expelled, which once costs Options.L1Lease. Run should be running here, otherwise no answer can be
// heard and each call expels every node.
//
// When it fails, with an *UnconfirmedError, some keys may be served stale: call it again. ctx bounds it, or
// Options.InvalidateTimeout.
func (c *Cache[K, V]) Invalidate(ctx context.Context, at Position, keys ...K) error {
	objects := make([]object, len(keys))
	for i, key := range keys {
		objects[i] = object{'k', c.o.Key(key)}
	}
	return c.invalidate(ctx, at, objects)
}

// InvalidateTags is Invalidate for all keys that Options.Tags derives from any of the tags.
func (c *Cache[K, V]) InvalidateTags(ctx context.Context, at Position, tags ...string) error {
	objects := make([]object, len(tags))
	for i, tag := range tags {
		objects[i] = object{'t', tag}
	}
	return c.invalidate(ctx, at, objects)
}

func (c *Cache[K, V]) invalidate(ctx context.Context, at Position, objects []object) error {
	for _, o := range objects {
		if len(o.name) > maxKeyBytes {
			return &KeyError{Bytes: len(o.name)}
		}
	}
	if _, limited := ctx.Deadline(); !limited {
		bounded, cancel := context.WithTimeout(ctx, c.o.InvalidateTimeout)
		defer cancel()
		ctx = bounded
	}
	began := c.clock()
	open := c.waiting.open(objects)
	defer c.waiting.close(open)
	err := c.strike(ctx, at, open)
	// What this process holds goes in any case: also if it is not known whether the store heard of it.
	for _, p := range open {
		c.stats.invalidations.add()
		c.drop(p.object)
	}
	if err == nil {
		err = c.confirm(ctx, open)
	}
	if err == nil {
		return nil
	}
	u := &UnconfirmedError{After: time.Duration(c.clock() - began), Err: err}
	for _, p := range open {
		c.stats.unconfirmed.add()
		u.Names = append(u.Names, p.object.name)
	}
	return u
}

// strikers is how many names are struck at a time; the client sends them together.
const strikers = 32

// strike runs the script for each name, again and again until the store has said that it did.
func (c *Cache[K, V]) strike(ctx context.Context, at Position, open []*confirmation) error {
	var (
		group sync.WaitGroup
		errs  = make([]error, min(strikers, len(open)))
	)
	for i := range errs {
		group.Go(func() {
			for j := i; j < len(open) && errs[i] == nil; j += strikers {
				errs[i] = c.insist(ctx, at, open[j])
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (c *Cache[K, V]) insist(ctx context.Context, at Position, p *confirmation) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.strikeOnce(ctx, at, p)
		if err == nil {
			return nil
		}
		c.stats.storeErrors.add()
		if !rest(ctx, pause) {
			return err
		}
	}
}

func (c *Cache[K, V]) strikeOnce(ctx context.Context, at Position, p *confirmation) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.invalidate(ctx, p.object, at, c.message(p))
}

func (c *Cache[K, V]) message(p *confirmation) string {
	m := message{object: p.object, id: p.id}
	if s := c.session.Load(); s != nil {
		m.writer = s.node
	}
	return m.String()
}

// confirm returns when no node can serve what was struck: each on the store's list has answered, or has left it, or its lease
// has run out. The list is read after the strike: a node that joins later finds nothing old to keep.
func (c *Cache[K, V]) confirm(ctx context.Context, open []*confirmation) error {
	began := c.clock()
	for {
		members, err := c.members(ctx)
		if err != nil {
			c.stats.storeErrors.add()
			if !rest(ctx, resend) {
				return err
			}
			continue
		}
		silent, expelled := c.unheard(members, open)
		switch {
		case len(silent) == 0 && len(expelled) == 0:
			return nil
		case len(silent) == 0:
			// Nobody renews a lease after it was seen expelled, so whatever it had is over by then.
			if err := c.outlive(ctx, expelled...); err != nil && ctx.Err() != nil {
				return fmt.Errorf("%w: %s", errSilent, strings.Join(expelled, ", "))
			}
			// The list is read again, but they need not be waited for a second time if removing them failed.
			c.waiting.settle(open, expelled)
			began = c.clock() // who joined meanwhile was not asked yet
		case c.clock()-began > int64(patience) || !c.running.Load():
			c.o.Log.Warn("nodes do not answer an invalidation and are expelled", "nodes", silent)
			for range silent {
				c.stats.expelled.add()
			}
			if err := c.expel(ctx, silent); err != nil && !rest(ctx, resend) {
				return fmt.Errorf("%w: %s", errSilent, strings.Join(silent, ", "))
			}
		default:
			if !c.waiting.await(ctx, open, silent, resend) && ctx.Err() == nil {
				c.repeat(ctx, open)
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%w: %s", errSilent, strings.Join(silent, ", "))
			}
		}
	}
}

// unheard splits the nodes that have not answered every name into those still listed as serving and those expelled. What this
// process serves itself was dropped before.
func (c *Cache[K, V]) unheard(members map[string]bool, open []*confirmation) (silent, expelled []string) {
	own := c.session.Load()
	for node, live := range members {
		if own != nil && node == own.node || c.waiting.heard(open, node) {
			continue
		}
		if live {
			silent = append(silent, node)
		} else {
			expelled = append(expelled, node)
		}
	}
	slices.Sort(silent)
	slices.Sort(expelled)
	return silent, expelled
}

func (c *Cache[K, V]) members(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.members(ctx)
}

func (c *Cache[K, V]) expel(ctx context.Context, nodes []string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.expel(ctx, nodes...)
}

// repeat says again what was struck; the scripts need not run again.
func (c *Cache[K, V]) repeat(ctx context.Context, open []*confirmation) {
	for _, p := range open {
		if err := c.publish(ctx, invalidations(c.name), c.message(p)); err != nil {
			c.stats.storeErrors.add()
			return
		}
	}
}
