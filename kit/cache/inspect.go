package cache

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// Info explains one key as this process would read it now.
type Info struct {
	Source     string            // where a Get finds the key: "process", "store", or "loader"
	Age        time.Duration     // since the value was loaded; 0 for the loader
	FreshFor   time.Duration     // until the TTL has passed; negative: since then
	Generation string            // raised by each invalidation
	NotFound   bool              // the remembered result is ErrNotFound
	Bytes      int               // size of the value in the store
	Needed     position.Position // what a load has to reach to be stored
	Loading    bool              // a load of the key is running, here or on another node
	Reason     string            // why, as a sentence
}

const (
	fromProcess = "process"
	fromStore   = "store"
	fromLoader  = "loader"
)

// String returns one line.
func (i Info) String() string {
	return fmt.Sprintf("%s, age %s, generation %s: %s", i.Source, i.Age.Round(time.Millisecond), i.Generation, i.Reason)
}

// Inspect explains what a Get of key would do now. It loads nothing and takes no lease. If the store does not answer,
// Inspect explains level 1 and returns the error as well.
func (c *Cache[K, V]) Inspect(ctx context.Context, key K) (Info, error) {
	name := c.o.Key(key)
	if len(name) > maxKeyBytes {
		return Info{}, &KeyError{Bytes: len(name)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Tuning.StoreTimeout)
	defer cancel()
	rec, tagVersions, err := c.inspectStore(ctx, key, name)
	if err != nil {
		err = fmt.Errorf("inspect %q: %w", name, err)
	}
	info := Info{
		Source: fromLoader, Generation: rec.generation, Needed: rec.needed, Loading: rec.leased, Bytes: rec.size,
	}
	reasons := []string{c.inspectLocal(key, &info)}
	if info.Source != fromProcess {
		reasons = append(reasons, rec.explain(&info, tagVersions, err))
	}
	if info.Source == fromLoader && rec.leased {
		reasons = append(reasons, "another load has the lease: a read would wait for it")
	}
	info.Reason = strings.Join(reasons, "; ")
	return info, err
}

func (c *Cache[K, V]) inspectStore(
	ctx context.Context, key K, name string,
) (rec record, tagVersions string, err error) {
	f := &fetch[K, V]{c: c, key: key}
	if err = f.readTags(ctx); err != nil {
		return rec, "", err
	}
	rec, err = c.store.inspect(ctx, name)
	return rec, f.tagVersions, err
}

// inspectLocal explains level 1. If level 1 would answer a read, it fills info in.
func (c *Cache[K, V]) inspectLocal(key K, info *Info) (reason string) {
	s := c.subscription.Load()
	switch {
	case c.l1 == nil:
		return "there is no level 1"
	case s == nil && !c.running.Load():
		return "level 1 is bypassed: Run is not running"
	case s == nil:
		return "level 1 is bypassed: the subscription is down"
	case c.clock() >= s.until.Load():
		since := time.Duration(c.clock() - s.until.Load() + c.leaseFrom(0))
		return "level 1 is bypassed: the store has not confirmed its lease for " + since.Round(time.Millisecond).String()
	}
	e, ok := c.l1.GetEntryQuietly(key)
	switch {
	case !ok:
		return "not in level 1"
	case e.Value.subscription != s:
		return "in level 1, but from before the subscription was down"
	case c.clock() >= e.Value.until:
		return "in level 1, but its time there has passed"
	case !allCurrent(e.Value.tags):
		return "in level 1, but one of its tags has been invalidated since"
	}
	now := c.clock()
	info.Source, info.Age, info.NotFound = fromProcess, time.Duration(now-e.Value.loaded), e.Value.notFound
	info.FreshFor, info.Generation = time.Duration(e.Value.until-now), e.Value.generation
	return "in level 1, which receives every invalidation"
}

// explain explains the store's part of a read. If the store would answer, it fills info in.
func (r record) explain(info *Info, tagVersions string, err error) string {
	switch {
	case err != nil:
		return "the store does not answer, so the loader would be called: " + err.Error()
	case r.found && r.epoch != r.current:
		return "the store has a value from before its last restart, failover or flush, which is ignored"
	case r.found && r.keepFor > 0 && r.tagVersions != tagVersions:
		return "the store has a value, but one of its tags has been invalidated since"
	case r.found && r.keepFor > 0:
		info.Source, info.Age, info.FreshFor, info.NotFound = fromStore, r.age, r.freshFor, r.notFound
		return r.freshness()
	case r.generation != "" && r.epoch != "":
		return "the store has no value of this generation"
	}
	return "the store has nothing for this key"
}

// freshness explains a value that the store would serve.
func (r record) freshness() string {
	switch {
	case r.freshFor > 0:
		return "fresh in the store"
	case r.retrying:
		return "past its TTL in the store, served because the loader failed a moment ago"
	case r.leased:
		return "past its TTL in the store, served while a refresh is running"
	}
	return "past its TTL in the store, served to the next read, which refreshes it"
}
