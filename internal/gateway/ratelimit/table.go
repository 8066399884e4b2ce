package ratelimit

import (
	"hash/maphash"
	"sync"
)

const (
	mostCallers = 100_000 // that one route remembers
	shards      = 256     // so that callers seldom wait for each other, and finding whom to forget is short
)

// table holds the accounts of a route's callers by the hash of their names: 64 bits under a random seed, by which two of
// 100,000 callers meet once in four billion tables.
//
// When a shard is full, the account with the lowest TAT makes room. That is one that is full again if there is any, which
// loses nothing; else the one that has used least. So who floods the table with new names pushes out names like these, and
// not the callers that are at their limit.
type table struct {
	seed   maphash.Seed
	most   int // accounts per shard
	forgot func()
	shards [shards]shard
}

type shard struct {
	mu       sync.Mutex
	index    map[uint64]uint32 // into accounts, by key
	accounts []keyed
	queues   map[uint64]*queue // of callers that wait for the store
}

type keyed struct {
	key uint64
	account
}

// newTable makes a table for so many callers. forgot is called for each account that loses something.
func newTable(callers int, forgot func()) *table {
	return &table{seed: maphash.MakeSeed(), most: max(1, callers/shards), forgot: forgot}
}

func (t *table) shard(caller string) (*shard, uint64) {
	key := maphash.String(t.seed, caller)
	return &t.shards[key%shards], key
}

// account returns a caller's account, which may be a new one, under the shard's lock and valid as long.
func (t *table) account(s *shard, key uint64, now int64) *account {
	if i, ok := s.index[key]; ok {
		return &s.accounts[i].account
	}
	if s.index == nil {
		s.index = make(map[uint64]uint32)
	}
	i := len(s.accounts)
	if i < t.most {
		s.accounts = append(s.accounts, keyed{})
	} else {
		i = s.lowest()
		if s.accounts[i].tat > now {
			t.forgot()
		}
		delete(s.index, s.accounts[i].key)
	}
	s.accounts[i] = keyed{key: key}
	s.index[key] = uint32(i)
	return &s.accounts[i].account
}

func (s *shard) lowest() (i int) {
	for j := range s.accounts {
		if s.accounts[j].tat < s.accounts[i].tat {
			i = j
		}
	}
	return i
}
