package ratelimit

import (
	"hash/maphash"
	"sync"
)

const (
	maxCallers = 100_000 // per route
	shards     = 256     // few callers share a lock, and the search for a bucket to evict is short
)

// table holds the buckets of a route's callers by a hash of their names: 64 bits under a random seed. Two of 100,000
// callers share a hash in one of four billion tables.
//
// A full shard evicts the bucket with the lowest TAT: one that has its full burst again, which loses nothing, or else
// the one that has used least. So a flood of new names evicts other new names, and not the callers at their limit.
type table struct {
	seed        maphash.Seed
	maxPerShard int
	onEvict     func()
	shards      [shards]shard
}

type shard struct {
	mu      sync.Mutex
	index   map[uint64]uint32 // position in buckets, by key
	buckets []keyedBucket
	queues  map[uint64]*queue // of callers whose requests wait for the store
}

type keyedBucket struct {
	key uint64
	bucket
}

// newTable returns a table for a number of callers. It calls onEvict for each evicted bucket without a full burst.
func newTable(callers int, onEvict func()) *table {
	return &table{seed: maphash.MakeSeed(), maxPerShard: max(1, callers/shards), onEvict: onEvict}
}

func (t *table) shard(caller string) (*shard, uint64) {
	key := maphash.String(t.seed, caller)
	return &t.shards[key%shards], key
}

// bucket returns the bucket of a caller, and adds it if necessary. The caller of this method holds the lock of the
// shard. The result is valid until the lock is released.
func (t *table) bucket(s *shard, key uint64, now int64) *bucket {
	if i, ok := s.index[key]; ok {
		return &s.buckets[i].bucket
	}
	if s.index == nil {
		s.index = make(map[uint64]uint32)
	}
	i := len(s.buckets)
	if i < t.maxPerShard {
		s.buckets = append(s.buckets, keyedBucket{})
	} else {
		i = s.lowest()
		if s.buckets[i].tat > now {
			t.onEvict()
		}
		delete(s.index, s.buckets[i].key)
	}
	s.buckets[i] = keyedBucket{key: key}
	s.index[key] = uint32(i)
	return &s.buckets[i].bucket
}

// lowest returns the position of the bucket with the lowest TAT.
func (s *shard) lowest() (i int) {
	for j := range s.buckets {
		if s.buckets[j].tat < s.buckets[i].tat {
			i = j
		}
	}
	return i
}
