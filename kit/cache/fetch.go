package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

var errStoreDown = errors.New("the store did not answer a moment ago")

const (
	// storeTries is how often the store is asked the same thing before the read goes on without it.
	storeTries = 2
	// storeDownFor is how long reads go straight to the loader after the store did not answer.
	storeDownFor = 500 * time.Millisecond
	// minPause and maxPause limit the pauses between two questions to the store.
	minPause, maxPause = 3 * time.Millisecond, 50 * time.Millisecond
	// maxRejected is how many values of the store a read rejects, for their tags or because they do not decode. After
	// that it calls the loader.
	maxRejected = 4
)

// fetch produces the result of a call: from the store, or from the loader.
type fetch[K comparable, V any] struct {
	c    *Cache[K, V]
	key  K
	call *call[V]

	token       string            // of the lease that the fetch asks for
	reject      string            // token of a stored value that cannot be used
	tagVersions string            // read before the entry, so that a value stored with them was loaded after them
	needed      position.Position // what a load has to reach
	entry       entry             // the store's last answer
}

// answer completes a call from the store with one lookup, or goes on in a goroutine. The lookup answers most reads and
// is short. It runs on the caller's goroutine, because two switches of goroutines would add a third to its cost.
func (c *Cache[K, V]) answer(key K, call *call[V]) {
	f := &fetch[K, V]{c: c, key: key, call: call}
	if !f.lookup() {
		go f.run()
	}
}

// lookup completes the call with a stored value that needs no refresh. It returns false if there is no value that
// can be used.
func (f *fetch[K, V]) lookup() (completed bool) {
	c := f.c
	if c.clock() < c.storeDown.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(f.call.ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	if err := f.readTags(ctx); err != nil {
		f.storeFailed()
		return false
	}
	e, err := c.store.lookup(ctx, f.call.name, c.earliness())
	if err != nil {
		f.storeFailed()
		return false
	}
	f.entry = e
	return e.found && f.serve()
}

// run completes the call with a stored value, by filling the store, or without the store.
func (f *fetch[K, V]) run() {
	c := f.c
	r := f.newRequest()
	waitUntil := c.clock() + int64(c.o.Tuning.FillWait)
	pause := minPause
	for rejected := 0; rejected < maxRejected; {
		err := f.acquire(r)
		switch {
		case err != nil:
			f.loadUncached(c.unknownPosition())
			return
		case f.entry.found:
			if f.serve() {
				return
			}
			r.reject = f.reject
			rejected++
			continue
		case f.entry.granted:
			f.fill()
			return
		}
		// Another load has the lease. While invalidations go on without a pause, it may never fill, so the wait has a
		// limit.
		c.stats.leaseWaits.add()
		if c.clock() > waitUntil {
			f.loadUncached(f.needed)
			return
		}
		time.Sleep(min(pause+time.Duration(c.unit()*float64(pause)), max(f.entry.wait, time.Millisecond)))
		pause = min(2*pause, maxPause)
	}
	f.loadUncached(c.unknownPosition())
}

// newRequest returns the fetch's question to the store. All questions of a fetch have the same token, so that a lease
// that the fetch has already does not exclude it.
func (f *fetch[K, V]) newRequest() leaseRequest {
	c := f.c
	if f.token == "" {
		f.token = c.token()
	}
	return leaseRequest{
		token: f.token, reject: f.reject, lease: c.o.Tuning.FillLease, early: c.earliness(), maxLag: c.o.MaxLag,
	}
}

// acquire asks the store, and asks again if an answer is lost. The token makes it the same question.
func (f *fetch[K, V]) acquire(r leaseRequest) error {
	c := f.c
	if c.clock() < c.storeDown.Load() {
		return errStoreDown
	}
	for {
		err := f.acquireOnce(r)
		if err == nil {
			f.call.failures = 0
			return nil
		}
		if f.storeFailed(); f.call.failures >= storeTries {
			c.storeDown.Store(c.clock() + int64(storeDownFor))
			return err
		}
	}
}

func (f *fetch[K, V]) acquireOnce(r leaseRequest) (err error) {
	ctx, cancel := context.WithTimeout(f.call.ctx, f.c.o.Tuning.StoreTimeout)
	defer cancel()
	if err = f.readTags(ctx); err == nil {
		f.entry, err = f.c.store.acquire(ctx, f.call.name, r)
		f.needed = position.Later(f.needed, f.entry.needed)
	}
	return err
}

// readTags reads the generations of the key's tags. It comes before the read of the entry: a value that is stored with
// these generations was loaded after they were read.
func (f *fetch[K, V]) readTags(ctx context.Context) error {
	f.tagVersions, f.needed = "", position.Position{}
	if f.c.o.Tags == nil {
		return nil
	}
	tags := f.c.o.Tags(f.key)
	if len(tags) == 0 {
		return nil
	}
	states, err := f.c.store.tagVersions(ctx, [][]string{tags}, f.c.o.MaxLag)
	if err != nil {
		return err
	}
	f.tagVersions, f.needed = states[0].versions, states[0].needed
	return nil
}

// storeFailed counts a call of the store without an answer.
func (f *fetch[K, V]) storeFailed() {
	f.call.failures++
	f.c.stats.storeErrors.add()
}

// serve completes the call with the value of f.entry, and refreshes the value if the store has granted the lease. It
// returns false, and sets f.reject, if the value cannot be used.
func (f *fetch[K, V]) serve() bool {
	c := f.c
	e, ok := f.decode()
	if !ok {
		f.reject = f.entry.token
		return false
	}
	c.stats.hitsL2.add()
	if f.entry.freshFor <= 0 {
		c.stats.staleServed.add()
	}
	c.keep(f.key, f.call, e, f.entry.freshFor)
	var err error
	if e.notFound {
		err = ErrNotFound
	}
	if !c.complete(f.key, f.call, e.value, err, f.entry.granted) {
		if f.entry.granted {
			f.release(0)
		}
		return true
	}
	defer c.endRefresh(f.key, f.call)
	c.stats.refreshes.add()
	f.loadAndStore()
	return true
}

// decode returns the value of f.entry. It returns false if the generation of a tag has changed since the value was
// loaded, or if the value does not decode.
func (f *fetch[K, V]) decode() (*localEntry[V], bool) {
	c := f.c
	e := &localEntry[V]{
		notFound: f.entry.notFound, loaded: c.clock() - int64(f.entry.age), generation: f.entry.generation,
	}
	if f.entry.tagVersions != f.tagVersions {
		return nil, false
	}
	if f.entry.notFound {
		return e, true
	}
	var err error
	if e.value, err = c.decodeValue(f.entry.value); err != nil {
		c.stats.undecodable.add()
		return nil, false
	}
	return e, true
}

// decodeValue calls Options.Decode and turns a panic into an error. A panic would end the process, or leave the readers
// of the call waiting.
func (c *Cache[K, V]) decodeValue(b []byte) (v V, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode: panic: %v", p)
		}
	}()
	return c.o.Decode(b)
}
