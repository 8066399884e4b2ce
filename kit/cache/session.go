package cache

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// session is one unbroken time of hearing invalidations. While the store lists its node, no Invalidate returns before the
// node has answered it or can no longer serve: so what was put into the first level in this session, and was not dropped
// since, is good until the lease runs out on this process's own clock.
type session struct {
	node  string
	until atomic.Int64 // on the cache's clock
}

// Pauses before a session is tried again.
const firstRetry, longestRetry = 50 * time.Millisecond, time.Second

// Run hears invalidations until ctx ends, and returns nil then. While it does, the first level serves; when its subscription
// breaks, the first level is dropped and bypassed until a new one stands. It returns only when nothing of it is left running.
// A process runs one Run per Cache at a time.
func (c *Cache[K, V]) Run(ctx context.Context) error {
	c.running.Store(true)
	defer c.running.Store(false)
	pause := firstRetry
	for ctx.Err() == nil {
		began := c.clock()
		err := c.listen(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.o.Log.Warn("the first level is bypassed until invalidations are heard again", "err", err)
		if c.clock()-began > int64(longestRetry) {
			pause = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestRetry)
	}
	return nil
}

// listen is one session: subscribe, join, renew; it returns when any of them ends.
func (c *Cache[K, V]) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &session{node: strconv.FormatUint(c.draw(), 36)}
	up := make(chan struct{})
	replies := newOutbox()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	running.Go(func() {
		channels := []string{invalidations(c.name), answers(c.name, s.node)}
		cancel(c.store.subscribe(ctx, channels, func() { close(up) }, func(channel, text string) { c.hear(s, replies, channel, text) }))
	})
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-up:
	}
	running.Go(func() { c.reply(ctx, replies) })
	defer c.bypass(s)
	members, err := c.join(ctx, s)
	if err != nil {
		return err
	}
	for node, live := range members {
		if !live && strings.HasPrefix(node, lostNodes) {
			running.Go(func() { c.outlive(ctx, node) })
		}
	}
	return c.renew(ctx, s)
}

// lostNodes begins the name that stands for the nodes of a list that the store has lost.
const lostNodes = "~"

// join puts the node on the store's list. It is tried once for each node's name: a request that is thought lost and arrives
// late would put a node back that has been expelled meanwhile.
func (c *Cache[K, V]) join(ctx context.Context, s *session) (map[string]bool, error) {
	asked := c.clock()
	members, err := c.callJoin(ctx, s)
	if err != nil {
		c.stats.storeErrors.add()
		return nil, fmt.Errorf("join: %w", err)
	}
	s.until.Store(c.leaseFrom(asked))
	c.session.Store(s)
	return members, nil
}

func (c *Cache[K, V]) callJoin(ctx context.Context, s *session) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.join(ctx, s.node)
}

// leaseFrom is until when a session that was confirmed by a call made at asked may serve. Invalidators wait for the whole
// lease on their own clocks, so a tenth of it covers clocks that run at different rates.
func (c *Cache[K, V]) leaseFrom(asked int64) int64 { return asked + int64(c.o.L1Lease*9/10) }

// renew keeps the lease up until the session ends. A store that does not answer is no end: the lease runs out by itself, and
// goes on when the store answers again and still lists the node.
func (c *Cache[K, V]) renew(ctx context.Context, s *session) error {
	for {
		if !rest(ctx, c.o.L1Lease/4) {
			return context.Cause(ctx)
		}
		asked := c.clock()
		member, err := c.callRenew(ctx, s)
		switch {
		case err != nil:
			c.stats.storeErrors.add()
		case !member:
			return errExpelled
		default:
			s.until.Store(c.leaseFrom(asked))
			c.down.Store(0)
		}
	}
}

func (c *Cache[K, V]) callRenew(ctx context.Context, s *session) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.renew(ctx, s.node)
}

// bypass ends a session: nothing that was put in under it is served again. The store's list is told, so that no invalidation
// waits for us.
func (c *Cache[K, V]) bypass(s *session) {
	if c.session.CompareAndSwap(s, nil) {
		c.stats.flushes.add()
		if c.l1 != nil {
			c.l1.InvalidateAll()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.o.StoreTimeout)
	defer cancel()
	if err := c.store.remove(ctx, s.node); err != nil {
		c.stats.storeErrors.add()
	}
}

// outlive waits until nodes that may no longer renew cannot serve any more, and strikes them off.
func (c *Cache[K, V]) outlive(ctx context.Context, nodes ...string) error {
	if !rest(ctx, c.o.L1Lease) {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.remove(ctx, nodes...)
}

// hear takes a message of the subscription. An invalidation is obeyed first and answered then.
func (c *Cache[K, V]) hear(s *session, replies *outbox, channel, text string) {
	if channel != invalidations(c.name) {
		c.waiting.answered(text)
		return
	}
	m, ok := parseMessage(text)
	if !ok {
		c.o.Log.Error("a message on the channel of invalidations is not one", "channel", channel)
		return
	}
	c.stats.heard.add()
	c.drop(m.object)
	if m.writer != "" && m.writer != s.node {
		replies.put(m.writer, s.node, m.id)
	}
}

// reply sends the answers. One that is lost is asked for again.
func (c *Cache[K, V]) reply(ctx context.Context, o *outbox) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.filled:
		}
		for writer, text := range o.take() {
			if err := c.publish(ctx, answers(c.name, writer), text.String()); err != nil {
				c.stats.storeErrors.add()
			}
		}
	}
}

func (c *Cache[K, V]) publish(ctx context.Context, channel, text string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	return c.store.publish(ctx, channel, text)
}

// rest pauses, and tells whether ctx still runs.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
