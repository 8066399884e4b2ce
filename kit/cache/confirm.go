package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	errEvicted = errors.New("this node did not acknowledge an invalidation in time")
	errNoAck   = errors.New("nodes have not acknowledged")
)

const (
	// republishAfter is when an invalidation that a node has not acknowledged is published again: it may have been
	// lost.
	republishAfter = 40 * time.Millisecond
	// storedAcksAfter is how many times acknowledgements are awaited on the subscription before they are asked for
	// through the store: the subscription of this process may be broken.
	storedAcksAfter = 2
	// evictAfter is how long a node may be silent before it is evicted, and Invalidate waits for the end of its lease.
	evictAfter = 250 * time.Millisecond
	// minPoll is the first pause between two looks for acknowledgements in the store.
	minPoll = 2 * time.Millisecond
)

// confirmation is the wait for the nodes that may serve what has been invalidated.
type confirmation[K comparable, V any] struct {
	c       *Cache[K, V]
	pending []*pendingInvalidation
	began   int64
	waits   int // for acknowledgements, since began
}

// confirm returns when no node can serve what has been invalidated. For each node on the store's list, this is so when
// it has acknowledged, when it has left the list, or when its lease has ended. The list is read after the invalidation:
// a node that joins later finds no older value in the store.
func (c *Cache[K, V]) confirm(ctx context.Context, pending []*pendingInvalidation) error {
	f := &confirmation[K, V]{c: c, pending: pending, began: c.clock()}
	for {
		members, err := c.members(ctx)
		if err != nil {
			c.stats.storeErrors.add()
			if e := (*SettingsError)(nil); errors.As(err, &e) || !sleep(ctx, republishAfter) {
				return err
			}
			continue
		}
		silent, evicted := f.unacked(members.live)
		switch {
		case len(silent) == 0 && len(evicted) == 0:
			return nil
		case len(silent) == 0:
			err = f.waitLeases(ctx, evicted, members.lease)
		case c.clock()-f.began > int64(evictAfter):
			err = f.evict(ctx, silent)
		default:
			err = f.waitAcks(ctx, silent)
		}
		if err != nil {
			return err
		}
	}
}

// unacked returns the nodes that have not acknowledged every name: those that are listed as serving, and those that are
// evicted. This process has already dropped its own copies.
func (f *confirmation[K, V]) unacked(members map[string]bool) (silent, evicted []string) {
	own := f.c.subscription.Load()
	for node, live := range members {
		if own != nil && node == own.node || f.c.acks.acked(f.pending, node) {
			continue
		}
		if live {
			silent = append(silent, node)
		} else {
			evicted = append(evicted, node)
		}
	}
	slices.Sort(silent)
	slices.Sort(evicted)
	return silent, evicted
}

// waitLeases waits until evicted nodes can no longer serve. They cannot renew a lease after the list has shown them as
// evicted.
func (f *confirmation[K, V]) waitLeases(ctx context.Context, nodes []string, lease time.Duration) error {
	if err := f.c.waitLease(ctx, lease, nodes...); err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %s", errNoAck, strings.Join(nodes, ", "))
	}
	// The next list may still show these nodes, if their removal failed. They need no second wait.
	f.c.acks.waive(f.pending, nodes)
	f.began, f.waits = f.c.clock(), 0 // nodes that have joined in the meantime were not asked yet
	return nil
}

func (f *confirmation[K, V]) evict(ctx context.Context, nodes []string) error {
	f.c.o.Log.Warn("evict nodes that do not acknowledge an invalidation", "nodes", nodes)
	for range nodes {
		f.c.stats.nodesEvicted.add()
	}
	ctx, cancel := context.WithTimeout(ctx, f.c.o.Tuning.StoreTimeout)
	defer cancel()
	if err := f.c.store.evict(ctx, nodes...); err != nil && !sleep(ctx, republishAfter) {
		return fmt.Errorf("%w: %s", errNoAck, strings.Join(nodes, ", "))
	}
	return nil
}

// waitAcks waits a short time for acknowledgements, and publishes the invalidations again if some are missing.
func (f *confirmation[K, V]) waitAcks(ctx context.Context, nodes []string) error {
	throughStore := f.waits >= storedAcksAfter || f.c.subscription.Load() == nil
	acked := false
	if throughStore {
		acked = f.pollAcks(ctx, nodes)
	} else {
		acked = f.c.acks.wait(ctx, f.pending, nodes, republishAfter)
	}
	f.waits++
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %s", errNoAck, strings.Join(nodes, ", "))
	}
	if !acked {
		f.republish(ctx, throughStore || f.waits >= storedAcksAfter)
	}
	return nil
}

// pollAcks takes acknowledgements from the store until all nodes have acknowledged, or republishAfter has passed.
func (f *confirmation[K, V]) pollAcks(ctx context.Context, nodes []string) bool {
	end := f.c.clock() + int64(republishAfter)
	for pause := minPoll; ; pause *= 2 {
		f.takeAcks(ctx)
		if f.c.acks.allAcked(f.pending, nodes) {
			return true
		}
		left := time.Duration(end - f.c.clock())
		if left <= 0 || !sleep(ctx, min(pause, left)) {
			return false
		}
	}
}

func (f *confirmation[K, V]) takeAcks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.c.o.Tuning.StoreTimeout)
	defer cancel()
	acks, err := f.c.store.takeAcks(ctx, f.c.writerID)
	if err != nil {
		f.c.stats.storeErrors.add()
	}
	for _, ack := range acks {
		f.c.acks.receive(ack)
	}
}

// republish publishes the invalidations again. The scripts need not run again.
func (f *confirmation[K, V]) republish(ctx context.Context, throughStore bool) {
	for _, p := range f.pending {
		if err := f.c.publish(ctx, f.c.message(p, throughStore)); err != nil {
			f.c.stats.storeErrors.add()
			return
		}
	}
}

func (c *Cache[K, V]) publish(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	return c.store.publish(ctx, invalidationChannel(c.name), text)
}

func (c *Cache[K, V]) members(ctx context.Context) (memberList, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	return c.store.members(ctx)
}

// waitLease waits until evicted nodes cannot serve any more, and removes them from the list. lease is the longest lease
// that they may have.
func (c *Cache[K, V]) waitLease(ctx context.Context, lease time.Duration, nodes ...string) error {
	if !sleep(ctx, max(lease, c.o.Tuning.L1Lease)) {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	return c.store.remove(ctx, nodes...)
}

// sleep pauses. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
