package jwt

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	maxCachedTokens = 4096 // per generation; there are two generations
	maxSubjectBytes = 512  // a token with a longer subject is not cached
)

// digest is the hash of a token, which the cache keeps in place of the token.
type digest [sha256.Size]byte

// tokenCache holds the tokens that one set of keys has verified. A cached token costs a hash, less than 1 µs, in place
// of a signature check, 40 to 1600 µs. The cache ends with its set of keys.
//
// It keeps the most recently used tokens in two generations. When the recent generation is full, it becomes the
// previous one, and the tokens of the old previous one that were not used since are dropped.
type tokenCache struct {
	mu               sync.Mutex
	recent, previous map[digest]identity
}

// get returns the identity of a token that was verified before and has not expired.
func (c *tokenCache) get(d digest, now time.Time) (identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, found := c.recent[d]
	if !found {
		if id, found = c.previous[d]; found {
			c.add(d, id)
		}
	}
	return id, found && now.Before(id.expires)
}

func (c *tokenCache) put(d digest, id identity) {
	if len(id.subject) > maxSubjectBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(d, id)
}

// add is called with mu held.
func (c *tokenCache) add(d digest, id identity) {
	if len(c.recent) >= maxCachedTokens {
		c.recent, c.previous = nil, c.recent
	}
	if c.recent == nil {
		c.recent = make(map[digest]identity)
	}
	c.recent[d] = id
}
