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
	// evictAfter is how long a node may be silent, while the store answers, before it is evicted, and Invalidate waits
	// for the end of its lease.
	evictAfter = 250 * time.Millisecond
	// stalledAfter is when a call of the store counts as a stall. Acknowledgements were late because of the store then,
	// and the nodes get the whole evictAfter again.
	stalledAfter = 100 * time.Millisecond
	// pollMembers is the pause between two looks at the list while a lease runs out: another process may have waited
	// for it, and have removed the node.
	pollMembers = 50 * time.Millisecond
	// minPoll is the first pause between two looks for acknowledgements in the store.
	minPoll = 2 * time.Millisecond
)

// confirmation is the wait for the nodes that may serve what has been invalidated.
type confirmation[K comparable, V any] struct {
	c       *Cache[K, V]
	pending []*pendingInvalidation
	silence time.Duration // waited for acknowledgements while the store answered
	waits   int           // for acknowledgements
}

// confirm returns when no node can serve what has been invalidated. For each node on the store's list, this is so when
// it has acknowledged, when it has left the list, or when its lease has ended. The list is read after the invalidation:
// a node that joins later finds no older value in the store.
func (c *Cache[K, V]) confirm(ctx context.Context, pending []*pendingInvalidation) error {
	f := &confirmation[K, V]{c: c, pending: pending}
	for {
		members, err := f.members(ctx)
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
		case f.silence >= evictAfter:
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

// asked notes a call of the store that began at the given time. After a stall or an error the nodes get the whole time
// again: they may have answered, and the answers may have been lost.
func (f *confirmation[K, V]) asked(began int64, err error) {
	if err != nil || f.c.clock()-began > int64(stalledAfter) {
		f.silence = 0
	}
}

func (f *confirmation[K, V]) members(ctx context.Context) (memberList, error) {
	began := f.c.clock()
	members, err := f.c.members(ctx)
	f.asked(began, err)
	return members, err
}

// waitLeases waits until evicted nodes can no longer serve, or until others have waited for that and have removed them.
// They cannot renew a lease after the list has shown them as evicted.
func (f *confirmation[K, V]) waitLeases(ctx context.Context, nodes []string, lease time.Duration) error {
	f.silence, f.waits = 0, 0 // nodes that join in the meantime were not asked yet
	lease = max(lease, f.c.o.Tuning.L1Lease)
	for {
		rest := f.c.renewals.rest(nodes, lease, f.c.clock())
		if rest <= 0 {
			break
		}
		if !sleep(ctx, min(rest, pollMembers)) {
			return fmt.Errorf("%w: %s", errNoAck, strings.Join(nodes, ", "))
		}
		members, err := f.members(ctx)
		if err != nil {
			continue // the lease runs out all the same
		}
		nodes = slices.DeleteFunc(nodes, func(node string) bool {
			_, listed := members.live[node]
			return !listed
		})
	}
	// The next list may still show these nodes, if their removal fails. They need no second wait.
	f.c.acks.waive(f.pending, nodes)
	if len(nodes) > 0 {
		began := f.c.clock()
		f.asked(began, f.c.remove(ctx, nodes))
	}
	return nil
}

func (f *confirmation[K, V]) evict(ctx context.Context, nodes []string) error {
	f.c.o.Log.Warn("evict nodes that do not acknowledge an invalidation", "nodes", nodes)
	for range nodes {
		f.c.stats.nodesEvicted.add()
	}
	ctx, cancel := context.WithTimeout(ctx, f.c.o.Tuning.StoreTimeout)
	defer cancel()
	began := f.c.clock()
	err := f.c.store.evict(ctx, nodes...)
	f.asked(began, err)
	if err != nil && !sleep(ctx, republishAfter) {
		return fmt.Errorf("%w: %s", errNoAck, strings.Join(nodes, ", "))
	}
	return nil
}

// waitAcks waits a short time for acknowledgements, and publishes the invalidations again if some are missing.
func (f *confirmation[K, V]) waitAcks(ctx context.Context, nodes []string) error {
	throughStore := f.waits >= storedAcksAfter || f.c.subscription.Load() == nil
	acked := false
	f.silence += republishAfter
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
	began := f.c.clock()
	acks, err := f.c.store.takeAcks(ctx, f.c.writerID)
	if f.asked(began, err); err != nil {
		f.c.stats.storeErrors.add()
	}
	for _, ack := range acks {
		f.c.acks.receive(ack)
	}
}

// republish publishes the invalidations again. The scripts need not run again.
func (f *confirmation[K, V]) republish(ctx context.Context, throughStore bool) {
	for _, p := range f.pending {
		began := f.c.clock()
		err := f.c.publish(ctx, f.c.message(p, throughStore))
		if f.asked(began, err); err != nil {
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
	members, err := c.store.members(ctx)
	if err == nil {
		c.renewals.observe(members, c.clock())
	}
	return members, err
}

// waitLease waits until a node that joinMembers found evicted cannot serve any more, and removes it from the list. lease
// is the longest lease that it may have.
func (c *Cache[K, V]) waitLease(ctx context.Context, lease time.Duration, node string) {
	if sleep(ctx, c.renewals.rest([]string{node}, max(lease, c.o.Tuning.L1Lease), c.clock())) && c.remove(ctx, []string{node}) != nil {
		c.stats.storeErrors.add()
	}
}

func (c *Cache[K, V]) remove(ctx context.Context, nodes []string) error {
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
