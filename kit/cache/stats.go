package cache

import (
	"math/rand/v2"
	"sync/atomic"
)

// Stats counts what a Cache has done in this process since New. The numbers are read one after another, not at one instant.
type Stats struct {
	HitsL1      uint64 // reads answered by this process
	HitsL2      uint64 // flights answered by the store
	Misses      uint64 // flights that got the lease of a missing key and loaded it
	Shared      uint64 // reads that shared another's flight
	Bypassed    uint64 // flights that loaded without a lease: store down, or another node's load took too long
	StaleServed uint64 // flights answered with a value past its TTL (never an invalidated one)
	Refreshes   uint64 // background loads of a value that was still served
	LeaseWaits  uint64 // pauses in wait for another node's load

	Loads      uint64 // calls of the loader
	LoadErrors uint64 // of these, failed with anything but ErrNotFound
	Behind     uint64 // of these, read from before the position that was needed
	Overloaded uint64 // loads turned away, see Options.MaxLoads

	RefusedByToken      uint64 // fills refused: invalidated meanwhile, or the lease went to another
	RefusedByGeneration uint64 // the same, seen by the generation
	RefusedByPosition   uint64 // read from a replica that had not got there
	RefusedByEpoch      uint64 // the store restarted, failed over or was flushed meanwhile
	Undecodable         uint64 // stored values that Options.Decode turned down
	Unstorable          uint64 // loaded values that did not encode or were too large

	Invalidations uint64 // keys and tags invalidated by this process
	Unconfirmed   uint64 // of these, ended with an UnconfirmedError
	Heard         uint64 // invalidations heard from any node
	Expelled      uint64 // nodes that did not answer an invalidation in time
	Flushes       uint64 // times that the first level was dropped whole
	StoreErrors   uint64 // calls of the store that failed or timed out
}

type counter struct{ n atomic.Uint64 }

func (c *counter) add() { c.n.Add(1) }

// striped is a counter of the hot path: many cores write to it without sharing a line.
type striped struct {
	stripes [16]struct {
		n atomic.Uint64
		_ [56]byte
	}
}

func (s *striped) add() { s.stripes[rand.Uint32()%16].n.Add(1) }

func (s *striped) load() (n uint64) {
	for i := range s.stripes {
		n += s.stripes[i].n.Load()
	}
	return n
}

type counters struct {
	hitsL1 striped
	hitsL2, misses, shared, bypassed, staleServed, refreshes, leaseWaits,
	loads, loadErrors, behind, overloaded,
	refusedToken, refusedGen, refusedPosition, refusedEpoch, undecodable, unstorable,
	invalidations, unconfirmed, heard, expelled, flushes, storeErrors counter
}

func (c *counters) verdict(v verdict) {
	switch v {
	case refusedToken:
		c.refusedToken.add()
	case refusedGen:
		c.refusedGen.add()
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
		Loads:      s.loads.n.Load(), LoadErrors: s.loadErrors.n.Load(), Behind: s.behind.n.Load(), Overloaded: s.overloaded.n.Load(),
		RefusedByToken: s.refusedToken.n.Load(), RefusedByGeneration: s.refusedGen.n.Load(),
		RefusedByPosition: s.refusedPosition.n.Load(), RefusedByEpoch: s.refusedEpoch.n.Load(),
		Undecodable: s.undecodable.n.Load(), Unstorable: s.unstorable.n.Load(),
		Invalidations: s.invalidations.n.Load(), Unconfirmed: s.unconfirmed.n.Load(), Heard: s.heard.n.Load(),
		Expelled: s.expelled.n.Load(), Flushes: s.flushes.n.Load(), StoreErrors: s.storeErrors.n.Load(),
	}
}
