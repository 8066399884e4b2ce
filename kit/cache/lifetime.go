package cache

import (
	"math"
	"strconv"
	"time"
)

// lifetime returns how long a value is fresh, and how long the store keeps it. Both are 0 for a value that is not kept.
func (c *Cache[K, V]) lifetime(key K, value V) (freshFor, keepFor time.Duration) {
	ttl := c.o.TTL
	if c.o.TTLOf != nil {
		switch own := c.o.TTLOf(key, value); {
		case own < 0:
			return 0, 0
		case own > 0:
			ttl = own
		}
	}
	freshFor = c.jittered(ttl)
	switch stale := c.o.Stale; {
	case stale < 0:
		return freshFor, freshFor
	case stale > 0:
		return freshFor, freshFor + stale
	}
	return freshFor, freshFor + ttl
}

// encodeValue returns the stored form of a value. ok is false if the value does not encode or is too large.
func (c *Cache[K, V]) encodeValue(value V) (b []byte, ok bool) {
	b, err := c.o.Encode(value)
	if err != nil || len(b) > c.o.Tuning.MaxValueBytes {
		c.stats.unstorable.add()
		return nil, false
	}
	return b, true
}

// earliness returns how many load durations before the end of TTL this read would refresh. It is exponentially
// distributed, so that few reads are early and one nearly surely is. See Vattani and others, "Optimal Probabilistic
// Cache Stampede Prevention", 2015.
func (c *Cache[K, V]) earliness() float64 { return -math.Log(1-c.unit()) * c.o.Tuning.Early }

func (c *Cache[K, V]) jittered(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*c.o.Tuning.Jitter*(2*c.unit()-1))
}

// unit returns a random number in [0, 1).
func (c *Cache[K, V]) unit() float64 { return float64(c.random()>>11) / (1 << 53) }

// token returns a text that is unique to a fetch.
func (c *Cache[K, V]) token() string {
	return strconv.FormatUint(c.random(), 36) + "." + strconv.FormatUint(c.random(), 36)
}
