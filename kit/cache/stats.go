package cache

import (
	"math/rand/v2"
	"sync/atomic"
)

// Stats counts what a Cache has done in this process since New. The numbers are not of one instant.
type Stats struct {
	HitsL1      uint64 // reads answered by this process
	HitsL2      uint64 // calls answered by the store; all reads of a key at the same time are one call
	Misses      uint64 // calls that got the lease of a missing key and loaded it
	Shared      uint64 // reads that joined the call of another read
	Bypassed    uint64 // calls that loaded without a lease: the store was down, or the load of another node took too long
	StaleServed uint64 // calls answered with a value past its TTL, never an invalidated one
	Refreshes   uint64 // background loads of a value that was still served
	LeaseWaits  uint64 // pauses while another node was loading the key

	Loads      uint64 // calls of the loader
	LoadErrors uint64 // loads that failed with another error than ErrNotFound
	Behind     uint64 // loads that read from before the needed position
	Overloaded uint64 // loads refused because of Options.MaxLoads

	RefusedByToken      uint64 // fills refused: the key was invalidated, or its lease had ended
	RefusedByGeneration uint64 // fills refused: the key was invalidated
	RefusedByPosition   uint64 // fills refused: read from a replica that lagged behind
	RefusedByEpoch      uint64 // fills refused: the store was restarted, failed over or flushed
	Undecodable         uint64 // stored values that Options.Decode refused
	Unstorable          uint64 // values that did not encode or were too large

	Sets          uint64 // calls of Set that stored their value
	SetsRefused   uint64 // calls of Set that only invalidated
	Invalidations uint64 // keys and tags invalidated by this process
	Unconfirmed   uint64 // invalidations that ended with an UnconfirmedError
	Received      uint64 // invalidations received from any node
	NodesEvicted  uint64 // nodes that did not acknowledge an invalidation in time
	Flushes       uint64 // times that level 1 was emptied
	StoreErrors   uint64 // calls of the store that failed or timed out
}

type counter struct{ n atomic.Uint64 }

func (c *counter) add() { c.n.Add(1) }

// stripedCounter is for the hot path: many cores add to it without sharing a cache line.
type stripedCounter struct {
	stripes [16]struct {
		n atomic.Uint64
		_ [56]byte
	}
}

func (s *stripedCounter) add() { s.stripes[rand.Uint32()%16].n.Add(1) }

func (s *stripedCounter) load() (n uint64) {
	for i := range s.stripes {
		n += s.stripes[i].n.Load()
	}
	return n
}

type counters struct {
	hitsL1 stripedCounter
	hitsL2, misses, shared, bypassed, staleServed, refreshes, leaseWaits,
	loads, loadErrors, behind, overloaded,
	refusedToken, refusedGeneration, refusedPosition, refusedEpoch, undecodable, unstorable,
	sets, setsRefused, invalidations, unconfirmed, received, nodesEvicted, flushes, storeErrors counter
}

func (c *counters) countFill(r fillResult) {
	switch r {
	case refusedToken:
		c.refusedToken.add()
	case refusedGeneration:
		c.refusedGeneration.add()
	case refusedPosition:
		c.refusedPosition.add()
	case refusedEpoch:
		c.refusedEpoch.add()
	}
}

// Stats returns the counters.
func (c *Cache[K, V]) Stats() Stats {
	s := &c.stats
	return Stats{
		HitsL1: s.hitsL1.load(), HitsL2: s.hitsL2.n.Load(), Misses: s.misses.n.Load(), Shared: s.shared.n.Load(),
		Bypassed: s.bypassed.n.Load(), StaleServed: s.staleServed.n.Load(), Refreshes: s.refreshes.n.Load(),
		LeaseWaits: s.leaseWaits.n.Load(),
		Loads:      s.loads.n.Load(), LoadErrors: s.loadErrors.n.Load(), Behind: s.behind.n.Load(),
		Overloaded:     s.overloaded.n.Load(),
		RefusedByToken: s.refusedToken.n.Load(), RefusedByGeneration: s.refusedGeneration.n.Load(),
		RefusedByPosition: s.refusedPosition.n.Load(), RefusedByEpoch: s.refusedEpoch.n.Load(),
		Undecodable: s.undecodable.n.Load(), Unstorable: s.unstorable.n.Load(),
		Sets: s.sets.n.Load(), SetsRefused: s.setsRefused.n.Load(),
		Invalidations: s.invalidations.n.Load(), Unconfirmed: s.unconfirmed.n.Load(), Received: s.received.n.Load(),
		NodesEvicted: s.nodesEvicted.n.Load(), Flushes: s.flushes.n.Load(), StoreErrors: s.storeErrors.n.Load(),
	}
}
