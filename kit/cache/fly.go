package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

var errDown = errors.New("the store did not answer a moment ago")

const (
	// tries is how often the store is asked one thing without an answer before the read goes on without it.
	tries = 2
	// downFor is how long the store is left alone after it did not answer: reads go to the loader at once meanwhile.
	downFor = 500 * time.Millisecond
	// What a read that waits for another node's load pauses between two looks.
	firstPause, longestPause = 3 * time.Millisecond, 50 * time.Millisecond
	// rejects is how many values a read turns down, for tags or for not decoding, before it loads by itself.
	rejects = 4
)

// depart answers a flight by a look at the store, and lets it fly where that is not enough. A look is short and most reads end
// with it: so it does without a goroutine, whose two changes of hands would cost a third more.
func (c *Cache[K, V]) depart(key K, f *flight[V]) {
	if reject, landed := c.glance(key, f); !landed {
		go c.fly(key, f, reject)
	}
}

// glance lands a flight with what stands in the store, or returns what is not to be had from there again.
func (c *Cache[K, V]) glance(key K, f *flight[V]) (reject string, landed bool) {
	if c.clock() < c.down.Load() {
		return "", false
	}
	ctx, cancel := context.WithTimeout(f.ctx, c.o.StoreTimeout)
	defer cancel()
	stamps, need, err := c.stamps(ctx, key)
	if err != nil {
		c.missed(f)
		return "", false
	}
	a, ok, err := c.store.look(ctx, f.name, c.earliness())
	if err != nil {
		c.missed(f)
	}
	if err != nil || !ok {
		return "", false
	}
	e, ok := c.decode(a, stamps)
	if !ok {
		return a.by, false
	}
	c.serve(key, f, "", e, a, need, stamps)
	return "", true
}

// missed counts a call of the store that was not answered.
func (c *Cache[K, V]) missed(f *flight[V]) {
	f.missed++
	c.stats.storeErrors.add()
}

// fly answers a flight: from the store, by filling it, or past it.
func (c *Cache[K, V]) fly(key K, f *flight[V], reject string) {
	q := question{token: c.token(), reject: reject, lease: c.o.FillLease, early: c.earliness(), maxLag: c.o.MaxLag}
	patience := c.clock() + int64(c.o.FillWait)
	pause := firstPause
	for turned := 0; turned < rejects; {
		stamps, need, a, err := c.ask(key, f, q)
		switch {
		case err != nil:
			c.alone(key, f, c.blind())
			return
		case a.found:
			e, ok := c.decode(a, stamps)
			if !ok {
				q.reject = a.by
				turned++
				continue
			}
			c.serve(key, f, q.token, e, a, need, stamps)
			return
		case a.granted:
			c.fill(key, f, q.token, a, need, stamps)
			return
		}
		// Another has the lease. Where invalidations never stop, it may never fill: so there is an end to waiting.
		c.stats.leaseWaits.add()
		if c.clock() > patience {
			c.alone(key, f, need)
			return
		}
		time.Sleep(min(pause+time.Duration(c.unit()*float64(pause)), max(a.wait, time.Millisecond)))
		pause = min(2*pause, longestPause)
	}
	c.alone(key, f, c.blind())
}

// blind is what a load has to reach when the store cannot say.
func (c *Cache[K, V]) blind() Position {
	if c.o.MaxLag > 0 {
		return Primary
	}
	return Position{}
}

// ask puts the question to the store, again if an answer was lost: the token makes that the same question.
func (c *Cache[K, V]) ask(key K, f *flight[V], q question) (stamps string, need Position, a answer, err error) {
	if c.clock() < c.down.Load() {
		return "", need, a, errDown
	}
	for {
		stamps, need, a, err = c.askOnce(key, f, q)
		if err == nil {
			f.missed = 0
			return stamps, later(need, a.need), a, nil
		}
		if c.missed(f); f.missed >= tries {
			c.down.Store(c.clock() + int64(downFor))
			return "", need, a, err
		}
	}
}

func (c *Cache[K, V]) askOnce(key K, f *flight[V], q question) (stamps string, need Position, a answer, err error) {
	ctx, cancel := context.WithTimeout(f.ctx, c.o.StoreTimeout)
	defer cancel()
	if stamps, need, err = c.stamps(ctx, key); err == nil {
		a, err = c.store.acquire(ctx, f.name, q)
	}
	return stamps, need, a, err
}

// stamps are the generations of a key's tags. They come first: a value that is stored with them was loaded after they were
// read.
func (c *Cache[K, V]) stamps(ctx context.Context, key K) (stamps string, need Position, err error) {
	if c.o.Tags == nil {
		return "", need, nil
	}
	tags := c.o.Tags(key)
	if len(tags) == 0 {
		return "", need, nil
	}
	return c.store.stamps(ctx, tags, c.o.MaxLag)
}

// decode makes a value of a stored one, unless it belongs to other generations of its tags or is of another make.
func (c *Cache[K, V]) decode(a answer, stamps string) (*local[V], bool) {
	e := &local[V]{negative: a.negative, made: c.clock() - int64(a.age), gen: a.gen, filler: a.by}
	if a.tags != stamps {
		return nil, false
	}
	if a.negative {
		return e, true
	}
	var err error
	if e.value, err = c.decoded(a.value); err != nil {
		c.stats.undecodable.add()
		return nil, false
	}
	return e, true
}

// decoded makes an error of a panic, which would leave a flight without an end, or end the process.
func (c *Cache[K, V]) decoded(b []byte) (v V, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode: panic: %v", p)
		}
	}()
	return c.o.Decode(b)
}

// serve answers with a value of the store and refreshes it if that has fallen to this flight.
func (c *Cache[K, V]) serve(key K, f *flight[V], token string, e *local[V], a answer, need Position, stamps string) {
	c.stats.hitsL2.add()
	if a.soft <= 0 {
		c.stats.staleServed.add()
	}
	c.keep(key, f, e, a.soft)
	var err error
	if e.negative {
		err = ErrNotFound
	}
	if !c.land(key, f, e.value, err, a.granted) {
		if a.granted {
			c.release(f, token, 0)
		}
		return
	}
	defer c.refreshed(key, f)
	c.stats.refreshes.add()
	c.loadAndStore(key, f, token, a, need, stamps)
}

// fill answers with what the loader returns, and stores it.
func (c *Cache[K, V]) fill(key K, f *flight[V], token string, a answer, need Position, stamps string) {
	c.stats.misses.add()
	value, err := c.loadAndStore(key, f, token, a, need, stamps)
	c.land(key, f, value, err, false)
}

// alone answers with what the loader returns and stores nothing.
func (c *Cache[K, V]) alone(key K, f *flight[V], need Position) {
	c.stats.bypassed.add()
	loaded, _, err := c.callLoader(f.ctx, key, need)
	c.land(key, f, loaded.Value, err, false)
}

// loadAndStore is a load under a lease. What it returns is for the readers on board, who all came before any invalidation
// that makes the store refuse it.
func (c *Cache[K, V]) loadAndStore(key K, f *flight[V], token string, a answer, need Position, stamps string) (V, error) {
	loaded, took, err := c.callLoader(f.ctx, key, need)
	fresh := c.jittered(c.o.TTL)
	fl := filling{
		token: token, epoch: a.epoch, gen: a.gen, need: need, at: loaded.At,
		soft: fresh, hard: fresh + c.o.Stale, took: took, tags: stamps,
	}
	switch {
	case err == nil:
		fl.value, err = c.o.Encode(loaded.Value)
		if err != nil || len(fl.value) > c.o.MaxValueBytes {
			c.stats.unstorable.add()
			c.release(f, token, c.o.Retry)
			return loaded.Value, nil
		}
	case errors.Is(err, ErrNotFound): // also when it is not remembered: it ends an older value
		fl.negative = true
		fl.soft = c.jittered(c.o.NegativeTTL)
		fl.hard = fl.soft
	default:
		c.release(f, token, c.o.Retry)
		return loaded.Value, err
	}
	if c.put(f, fl) {
		c.keep(key, f, &local[V]{value: loaded.Value, negative: fl.negative, made: c.clock(), gen: a.gen, filler: token}, fl.soft)
	}
	return loaded.Value, err
}

// put stores a filling, trying again if the reply was lost, and counts what was refused.
func (c *Cache[K, V]) put(f *flight[V], fl filling) bool {
	for range tries {
		ctx, cancel := context.WithTimeout(f.ctx, c.o.StoreTimeout)
		v, err := c.store.fill(ctx, f.name, fl)
		cancel()
		if err != nil {
			c.stats.storeErrors.add()
			continue
		}
		c.stats.verdict(v)
		return v == stored
	}
	return false
}

// release gives a lease back; if that fails, the lease runs out by itself.
func (c *Cache[K, V]) release(f *flight[V], token string, backOff time.Duration) {
	ctx, cancel := context.WithTimeout(f.ctx, c.o.StoreTimeout)
	defer cancel()
	if err := c.store.release(ctx, f.name, token, backOff); err != nil {
		c.stats.storeErrors.add()
	}
}

// earliness is how many load durations before the end of TTL this read would refresh: exponentially distributed, so that few
// reads are early and one nearly surely is (Vattani and others, "Optimal Probabilistic Cache Stampede Prevention", 2015).
func (c *Cache[K, V]) earliness() float64 { return -math.Log(1-c.unit()) * c.o.Early }

func (c *Cache[K, V]) jittered(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*c.o.Jitter*(2*c.unit()-1))
}

// unit is a random number in [0, 1).
func (c *Cache[K, V]) unit() float64 { return float64(c.draw()>>11) / (1 << 53) }

// token is unique to a flight.
func (c *Cache[K, V]) token() string {
	return strconv.FormatUint(c.draw(), 36) + "." + strconv.FormatUint(c.draw(), 36)
}
