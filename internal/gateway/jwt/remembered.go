package jwt

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	maxRemembered   = 4096 // tokens of one generation; there are two
	maxSubjectBytes = 512  // of one that is remembered
)

// digest stands for a token where it is kept.
type digest [sha256.Size]byte

// remembered is tokens that held under one set of keys, so that a client's next request costs a hash and not a signature:
// less than 1 µs and not 40 to 1600. They are forgotten with their keys. It keeps the tokens used last, in two generations: when
// the young one is full it becomes the old one, and what was not used since is gone.
type remembered struct {
	mu         sync.Mutex
	young, old map[digest]identity
}

// get returns whom a token speaks for that held before and still does.
func (c *remembered) get(d digest, now time.Time) (identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, found := c.young[d]
	if !found {
		if id, found = c.old[d]; found {
			c.add(d, id)
		}
	}
	return id, found && now.Before(id.until)
}

func (c *remembered) put(d digest, id identity) {
	if len(id.subject) > maxSubjectBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(d, id)
}

func (c *remembered) add(d digest, id identity) {
	if len(c.young) >= maxRemembered {
		c.young, c.old = nil, c.young
	}
	if c.young == nil {
		c.young = make(map[digest]identity)
	}
	c.young[d] = id
}
