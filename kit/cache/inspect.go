package cache

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Level is where a Get would find a key now.
type Level string

// The levels, from near to far.
const (
	LevelProcess Level = "process" // the first level, here
	LevelStore   Level = "store"   // the second level, shared
	LevelNone    Level = "none"    // the loader would be asked
)

// Info explains one key as this process would read it.
type Info struct {
	Level      Level
	Age        time.Duration // since the value was loaded; 0 at LevelNone
	FreshFor   time.Duration // until TTL is over; negative: since then
	Generation string        // raised by each invalidation; of the value at its level, else of the key
	Negative   bool          // what is remembered is ErrNotFound
	Filler     string        // token of the load that the value comes from
	Bytes      int           // of the value in the store
	Need       Position      // what a load has to reach to be stored
	Leased     bool          // a load of this key is under way, here or elsewhere
	Why        string        // the reasons in words, for a person
}

// String is one line.
func (i Info) String() string {
	return fmt.Sprintf("%s, age %s, generation %s: %s", i.Level, i.Age.Round(time.Millisecond), i.Generation, i.Why)
}

// Inspect explains what a Get of key would do now, without taking part: no load, no lease. When the store does not answer it
// explains the first level alone, together with the error.
func (c *Cache[K, V]) Inspect(ctx context.Context, key K) (Info, error) {
	name := c.o.Key(key)
	if len(name) > maxKeyBytes {
		return Info{}, &KeyError{Bytes: len(name)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.StoreTimeout)
	defer cancel()
	rec, stamps, err := c.inspectStore(ctx, key, name)
	if err != nil {
		err = fmt.Errorf("inspect %q: %w", name, err)
	}
	info := Info{
		Level: LevelNone, Generation: rec.gen, Need: rec.pos, Leased: rec.leased, Bytes: rec.size,
	}
	var why []string
	here := c.inspectHere(key, &info, &why)
	if here {
		info.Why = strings.Join(why, "; ")
		return info, err
	}
	switch {
	case err != nil:
		why = append(why, "the store does not answer, the loader would be asked: "+err.Error())
	case rec.found && rec.epoch != rec.current:
		why = append(why, "the store holds a value of before its last restart, failover or flush, which does not count")
	case rec.found && rec.hard > 0 && rec.tags != stamps:
		why = append(why, "the store holds a value, but one of its tags has been invalidated since")
	case rec.found && rec.hard > 0:
		info.Level, info.Age, info.FreshFor, info.Negative, info.Filler = LevelStore, rec.age, rec.soft, rec.negative, rec.by
		why = append(why, rec.why())
	case rec.gen != "" && rec.epoch != "":
		why = append(why, "the store holds no value since the invalidation of this generation, or never did")
	default:
		why = append(why, "the store holds nothing of this key")
	}
	if info.Level == LevelNone && rec.leased {
		why = append(why, "another load holds the lease: a read would wait for it")
	}
	info.Why = strings.Join(why, "; ")
	return info, err
}

func (c *Cache[K, V]) inspectStore(ctx context.Context, key K, name string) (rec record, stamps string, err error) {
	if stamps, _, err = c.stamps(ctx, key); err != nil {
		return rec, "", err
	}
	rec, err = c.store.inspect(ctx, name)
	return rec, stamps, err
}

// inspectHere explains the first level and tells whether it would answer.
func (c *Cache[K, V]) inspectHere(key K, info *Info, why *[]string) bool {
	say := func(s string) { *why = append(*why, s) }
	s := c.session.Load()
	switch {
	case c.l1 == nil:
		say("there is no first level")
		return false
	case s == nil && !c.running.Load():
		say("the first level is bypassed: Run is not running")
		return false
	case s == nil:
		say("the first level is bypassed: invalidations are not heard now")
		return false
	case c.clock() >= s.until.Load():
		say("the first level is bypassed: the store has not confirmed its lease for " +
			time.Duration(c.clock()-s.until.Load()+int64(c.o.L1Lease*9/10)).Round(time.Millisecond).String())
		return false
	}
	e, ok := c.l1.GetEntryQuietly(key)
	switch {
	case !ok:
		say("not in the first level")
	case e.Value.session != s:
		say("in the first level from before invalidations were last missed, which does not count")
	case c.clock() >= e.Value.until:
		say("in the first level, but its time there is over")
	case !alive(e.Value.tags):
		say("in the first level, but one of its tags has been invalidated since")
	default:
		now := c.clock()
		info.Level, info.Age, info.Negative = LevelProcess, time.Duration(now-e.Value.made), e.Value.negative
		info.FreshFor, info.Generation, info.Filler = time.Duration(e.Value.until-now), e.Value.gen, e.Value.filler
		say("in the first level, which hears every invalidation")
		return true
	}
	return false
}

// why explains a value that the store would serve.
func (r record) why() string {
	switch {
	case r.soft > 0:
		return "fresh in the store"
	case r.retrying:
		return "past its TTL in the store, served because the loader failed a moment ago"
	case r.leased:
		return "past its TTL in the store, served while a refresh is under way"
	}
	return "past its TTL in the store, served to the next read, which refreshes it"
}
