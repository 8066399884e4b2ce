package cache

import "context"

// flight is one read of a key below the first level, on behalf of all readers that board it.
type flight[V any] struct {
	name string          // the key's stored form
	ctx  context.Context // the first reader's, for its values
	done chan struct{}   // closed when value and err are set

	value V
	err   error

	// Set when it starts. A session and tags that hold since then, and no drop since then, prove that no invalidation has
	// returned since then: only so may others board it, and may its value enter the first level.
	session  *session
	tags     []*tag
	detached bool // guarded by Cache.mu

	missed int // calls of the store that were not answered, one after another
}

// lane is what goes on with one key in this process: at most one flight that readers wait for, one that starts when it has
// landed, and one refresh. So a key costs at most two loads at a time, however often it is invalidated.
type lane[V any] struct {
	running, next, refresh *flight[V]
}

func (l *lane[V]) detach() {
	for _, f := range []*flight[V]{l.running, l.refresh} {
		if f != nil {
			f.detached = true
		}
	}
}

// board finds or makes the flight whose answer a read that begins now may use. Who is first has to start it.
func (c *Cache[K, V]) board(ctx context.Context, key K, name string) (f *flight[V], first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[key]
	if l == nil {
		l = &lane[V]{}
		c.lanes[key] = l
	}
	switch f := l.running; {
	case f == nil:
		f = newFlight[V](ctx, name)
		c.prepare(key, f)
		l.running = f
		return f, true
	case !f.detached && c.valid(f.session) && alive(f.tags):
		c.stats.shared.add()
		return f, false
	}
	// What runs began before us and may have missed a write that was acknowledged before us.
	if l.next == nil {
		l.next = newFlight[V](ctx, name)
	} else {
		c.stats.shared.add()
	}
	return l.next, false
}

func newFlight[V any](ctx context.Context, name string) *flight[V] {
	return &flight[V]{name: name, ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
}

// prepare notes what a flight that starts now can rely on; mu is held.
func (c *Cache[K, V]) prepare(key K, f *flight[V]) {
	f.session = c.session.Load()
	f.tags = c.watch(key)
}

// land gives a flight's answer to those on board and starts the next one. A flight that wants to go on and refresh the value
// may do so, if no other does, and stays known so that an invalidation can detach it.
func (c *Cache[K, V]) land(key K, f *flight[V], value V, err error, refresh bool) (mayRefresh bool) {
	f.value, f.err = value, err
	close(f.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[key]
	l.running, l.next = l.next, nil
	if mayRefresh = refresh && l.refresh == nil; mayRefresh {
		l.refresh = f
	}
	if l.running != nil {
		c.prepare(key, l.running)
		go c.depart(key, l.running)
	}
	c.tidy(key, l)
	return mayRefresh
}

// refreshed ends a flight that has landed before.
func (c *Cache[K, V]) refreshed(key K, f *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[key]
	if l.refresh == f {
		l.refresh = nil
	}
	c.tidy(key, l)
}

func (c *Cache[K, V]) tidy(key K, l *lane[V]) {
	if l.running == nil && l.refresh == nil {
		delete(c.lanes, key)
	}
}

// valid tells whether s holds now and has not been replaced: every Invalidate that has returned was heard here.
func (c *Cache[K, V]) valid(s *session) bool {
	return s != nil && s == c.session.Load() && c.clock() < s.until.Load()
}
