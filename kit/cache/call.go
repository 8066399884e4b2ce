package cache

import "context"

// call is one read of a key below level 1. All reads of the key that join it share its result.
type call[V any] struct {
	name string          // stored form of the key
	ctx  context.Context // of the first reader, without its cancellation; ends with the call
	done chan struct{}   // closed when value and err are set

	value V
	err   error

	// The next fields are set when the call starts. While the subscription and the tags are valid and the call is not
	// detached, no invalidation of the key has returned since the start. Only then may further reads join the call, and
	// its value enter level 1.
	subscription *subscription
	tags         []*tag
	detached     bool // guarded by Cache.mu

	failures int // calls of the store without an answer, in a row
}

// keyState is what this process is doing for one key: at most one call that readers wait for, one call that starts when
// the first has completed, and one refresh. So a key costs at most two loads at a time, however often it is
// invalidated.
type keyState[V any] struct {
	running, next, refresh *call[V]
}

func (k *keyState[V]) detach() {
	for _, call := range []*call[V]{k.running, k.refresh} {
		if call != nil {
			call.detached = true
		}
	}
}

// join returns a call whose result a read that begins now may use. If first is true, the caller has to start the call.
func (c *Cache[K, V]) join(ctx context.Context, key K, name string) (_ *call[V], first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keys[key]
	if k == nil {
		k = &keyState[V]{}
		c.keys[key] = k
	}
	switch running := k.running; {
	case running == nil:
		k.running = newCall[V](ctx, name)
		c.prepare(key, k.running)
		return k.running, true
	case !running.detached && c.valid(running.subscription) && allCurrent(running.tags):
		c.stats.shared.add()
		return running, false
	}
	// The running call began before this read. It may have missed a write that was acknowledged before this read.
	if k.next == nil {
		k.next = newCall[V](ctx, name)
	} else {
		c.stats.shared.add()
	}
	return k.next, false
}

func newCall[V any](ctx context.Context, name string) *call[V] {
	return &call[V]{name: name, ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
}

// prepare records what a call that starts now depends on. The caller holds c.mu.
func (c *Cache[K, V]) prepare(key K, call *call[V]) {
	call.subscription = c.subscription.Load()
	call.tags = c.currentTags(key)
}

// complete gives the result of a call to its readers and starts the next call. If refresh is true, the call wants to go
// on and refresh the value. complete returns whether it may, which is not the case while another refresh is running. A
// refreshing call stays known, so that an invalidation can detach it.
func (c *Cache[K, V]) complete(key K, call *call[V], value V, err error, refresh bool) (mayRefresh bool) {
	call.value, call.err = value, err
	close(call.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keys[key]
	k.running, k.next = k.next, nil
	if mayRefresh = refresh && k.refresh == nil; mayRefresh {
		k.refresh = call
	}
	if k.running != nil {
		c.prepare(key, k.running)
		go c.answer(key, k.running)
	}
	c.forgetIdle(key, k)
	return mayRefresh
}

// endRefresh ends the refresh of a call that has completed before.
func (c *Cache[K, V]) endRefresh(key K, call *call[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keys[key]
	if k.refresh == call {
		k.refresh = nil
	}
	c.forgetIdle(key, k)
}

func (c *Cache[K, V]) forgetIdle(key K, k *keyState[V]) {
	if k.running == nil && k.refresh == nil {
		delete(c.keys, key)
	}
}

// valid reports whether s holds its lease and has not been replaced. Then every Invalidate that has returned was
// received here.
func (c *Cache[K, V]) valid(s *subscription) bool {
	return s != nil && s == c.subscription.Load() && c.clock() < s.until.Load()
}
