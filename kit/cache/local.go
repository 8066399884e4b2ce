package cache

import (
	"sync/atomic"
	"time"
)

// localEntry is an entry of level 1. It is immutable once it is stored.
type localEntry[V any] struct {
	value        V
	notFound     bool
	subscription *subscription
	tags         []*tag
	loaded       int64 // on the cache's clock
	until        int64
	generation   string
}

// tag is one generation of a tag as this process knows it. Entries of an ended generation are ignored.
type tag struct{ ended atomic.Bool }

func allCurrent(tags []*tag) bool {
	for _, t := range tags {
		if t.ended.Load() {
			return false
		}
	}
	return true
}

// local returns the entry of level 1 if it may be served, and counts it.
func (c *Cache[K, V]) local(key K) (*localEntry[V], bool) {
	if c.l1 == nil {
		return nil, false
	}
	e, ok := c.l1.GetIfPresent(key)
	if !ok || !c.usable(e) {
		return nil, false
	}
	c.stats.hitsL1.add()
	return e, true
}

// usable reports whether an entry of level 1 may be served now. It may if every Invalidate that has returned was
// received here.
func (c *Cache[K, V]) usable(e *localEntry[V]) bool {
	now := c.clock()
	s := c.subscription.Load()
	if s == nil || s != e.subscription || now >= s.until.Load() || now >= e.until {
		return false
	}
	return allCurrent(e.tags)
}

// keep stores a value in level 1, unless an invalidation was received since the call started.
func (c *Cache[K, V]) keep(key K, call *call[V], e *localEntry[V], freshFor time.Duration) {
	if c.l1 == nil || freshFor <= 0 {
		return
	}
	e.subscription, e.tags = call.subscription, call.tags
	e.until = c.clock() + int64(min(freshFor, c.o.Tuning.L1TTL))
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.detached || call.subscription == nil || call.subscription != c.subscription.Load() {
		return
	}
	c.l1.Set(key, e)
}

// drop removes a key or a tag from level 1, and detaches the calls that may have read an older value.
func (c *Cache[K, V]) drop(o object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.kind == 't' {
		if t := c.tags[o.name]; t != nil {
			t.ended.Store(true)
			delete(c.tags, o.name)
		}
		return
	}
	key, err := c.o.ParseKey(o.name)
	if err != nil {
		c.o.Log.Error("cannot parse the key of an invalidation", "key", o.name, "err", err)
		return
	}
	if c.l1 != nil {
		c.l1.Invalidate(key)
	}
	if k := c.keys[key]; k != nil {
		k.detach()
	}
}

// maxTags limits the tags that this process remembers. At the limit all tags are ended, which costs only hits.
const maxTags = 1 << 16

// currentTags returns the current generations of a key's tags. The caller holds c.mu.
func (c *Cache[K, V]) currentTags(key K) []*tag {
	if c.o.Tags == nil {
		return nil
	}
	names := c.o.Tags(key)
	tags := make([]*tag, len(names))
	for i, name := range names {
		t := c.tags[name]
		if t == nil {
			if len(c.tags) >= maxTags {
				for _, old := range c.tags {
					old.ended.Store(true)
				}
				clear(c.tags)
			}
			t = &tag{}
			c.tags[name] = t
		}
		tags[i] = t
	}
	return tags
}
