package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// subscription is one uninterrupted time in which this process receives invalidations. While the store lists its node,
// no Invalidate returns before the node has acknowledged it, or can no longer serve. So what entered level 1 under this
// subscription, and has not been dropped, is valid until the lease ends on this process's clock.
type subscription struct {
	node  string
	until atomic.Int64 // end of the lease, on the cache's clock
}

// minRetry and maxRetry limit the pause before a broken subscription is opened again.
const minRetry, maxRetry = 50 * time.Millisecond, time.Second

// Run receives invalidations until ctx ends, and then returns nil. While it does, reads use level 1. If the
// subscription breaks, level 1 is emptied and bypassed until a new one is open. Run returns after all its goroutines
// have ended.
//
// Run returns a *SettingsError if the running nodes have other settings. A process calls Run once per Cache.
func (c *Cache[K, V]) Run(ctx context.Context) error {
	c.running.Store(true)
	defer c.running.Store(false)
	pause := minRetry
	for ctx.Err() == nil {
		began := c.clock()
		err := c.subscribe(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if e := (*SettingsError)(nil); errors.As(err, &e) {
			return e
		}
		c.o.Log.Warn("level 1 is bypassed until the subscription is open again", "err", err)
		if c.clock()-began > int64(maxRetry) {
			pause = minRetry
		}
		sleep(ctx, pause)
		pause = min(2*pause, maxRetry)
	}
	return nil
}

// subscribe runs one subscription: subscribe, join, renew. It returns when one of them fails.
func (c *Cache[K, V]) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &subscription{node: strconv.FormatUint(c.random(), 36)}
	up := make(chan struct{})
	acks := newAckQueue()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	running.Go(func() {
		channels := []string{invalidationChannel(c.name), ackChannel(c.name, s.node)}
		receive := func(channel, text string) { c.receive(s, acks, channel, text) }
		cancel(c.store.subscribe(ctx, channels, func() { close(up) }, receive))
	})
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-up:
	}
	running.Go(func() { c.sendAcks(ctx, acks) })
	defer c.leave(s)
	members, err := c.joinMembers(ctx, s)
	if err != nil {
		return err
	}
	for node, live := range members.live {
		if !live && strings.HasPrefix(node, lostNodes) {
			running.Go(func() { c.waitLease(ctx, members.lease, node) })
		}
	}
	return c.renew(ctx, s)
}

// lostNodes begins the name that stands for the nodes of a list that the store has lost.
const lostNodes = "~"

// joinMembers adds the node to the store's list. It is tried only once for each node name. A request that seems lost
// may arrive late, and would then add a node again that has been evicted.
func (c *Cache[K, V]) joinMembers(ctx context.Context, s *subscription) (memberList, error) {
	asked := c.clock()
	members, err := c.joinOnce(ctx, s)
	if err != nil {
		c.stats.storeErrors.add()
		return members, fmt.Errorf("join: %w", err)
	}
	s.until.Store(c.leaseFrom(asked))
	c.subscription.Store(s)
	return members, nil
}

func (c *Cache[K, V]) joinOnce(ctx context.Context, s *subscription) (memberList, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	members, err := c.store.join(ctx, s.node)
	if err == nil {
		c.renewals.observe(members, c.clock())
	}
	return members, err
}

// leaseFrom returns the end of a lease that the store confirmed in a call that was made at asked. Invalidate waits for
// the whole lease on its own clock, so a tenth of the lease covers clocks of different speed.
func (c *Cache[K, V]) leaseFrom(asked int64) int64 { return asked + int64(c.o.Tuning.L1Lease*9/10) }

// renew extends the lease until the subscription ends. If the store does not answer, the lease runs out. It goes on
// when the store answers again and still lists the node. With each renewal it reads the list, so that an invalidation
// knows how long a node that does not answer has been silent.
func (c *Cache[K, V]) renew(ctx context.Context, s *subscription) error {
	for {
		if !sleep(ctx, c.o.Tuning.L1Lease/4) {
			return context.Cause(ctx)
		}
		asked := c.clock()
		member, err := c.renewOnce(ctx, s)
		switch {
		case err != nil:
			c.stats.storeErrors.add()
		case !member:
			return errEvicted
		default:
			s.until.Store(c.leaseFrom(asked))
			c.storeDown.Store(0)
			if _, err := c.members(ctx); err != nil {
				c.stats.storeErrors.add()
			}
		}
	}
}

func (c *Cache[K, V]) renewOnce(ctx context.Context, s *subscription) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	return c.store.renew(ctx, s.node)
}

// leave ends a subscription. Its entries of level 1 are not served again. The node leaves the store's list, so that no
// invalidation waits for it.
func (c *Cache[K, V]) leave(s *subscription) {
	if c.subscription.CompareAndSwap(s, nil) {
		c.stats.flushes.add()
		if c.l1 != nil {
			c.l1.InvalidateAll()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Tuning.StoreTimeout)
	defer cancel()
	if err := c.store.remove(ctx, s.node); err != nil {
		c.stats.storeErrors.add()
	}
}

// receive handles a message of the subscription. It drops what is invalidated before it acknowledges.
func (c *Cache[K, V]) receive(s *subscription, acks *ackQueue, channel, text string) {
	if channel != invalidationChannel(c.name) {
		c.acks.receive(text)
		return
	}
	m, ok := parseMessage(text)
	if !ok {
		c.o.Log.Error("cannot parse a message on the channel of invalidations", "channel", channel)
		return
	}
	c.stats.received.add()
	c.drop(m.object)
	if m.writer != s.node {
		acks.put(m.writer, s.node, m.id)
	}
}
