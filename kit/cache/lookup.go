package cache

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// lookupCommands are the commands that all lookups share.
type lookupCommands struct{ begin, clock, term, end rueidis.Completed }

func newLookupCommands(b rueidis.Builder) lookupCommands {
	command := func(words ...string) rueidis.Completed { return b.Arbitrary(words...).Build().Pin() }
	return lookupCommands{
		begin: b.Multi().Build().Pin(), clock: command("TIME"),
		term: command("INFO", "replication"), end: b.Exec().Build().Pin(),
	}
}

// maxLookup limits the keys of one transaction, so that it does not block the server for long.
const maxLookup = 128

var (
	metaFields  = []string{"run", "ep"}
	entryFields = []string{"ep", "gen", "by", "val", "neg", "tags", "born", "soft", "hard", "took"}
)

// lookup is one transaction of plain commands. It costs the server less than half of a script, and answers most reads.
//
// It has to be one transaction. With the server's identity of a moment ago, it would accept values that a failover has
// brought back since. All commands are arbitrary ones for rueidis: it may repeat commands that it knows to be reads one
// by one, or send them to a replica.
func (s *redisStore) lookup(ctx context.Context, name string, early float64) (entry, error) {
	keys, b := s.keys(object{'k', name}), s.client.B()
	replies := s.client.DoMulti(ctx, s.fixed.begin,
		b.Arbitrary("HMGET").Keys(keys[0]).Args(metaFields...).Build().Pin(),
		b.Arbitrary("HMGET").Keys(keys[1]).Args(entryFields...).Build().Pin(),
		s.fixed.clock, s.fixed.term, s.fixed.end)
	r, err := transactionReply(replies, 4)
	if r == nil {
		return entry{}, err
	}
	server := identity(r[3])
	return parseLookup(r[0], r[1], r[2], server, early), nil
}

// lookupMany reads the keys in transactions of up to maxLookup keys, all sent together. In a Cluster a transaction has
// one slot, so each bucket needs a transaction.
func (s *redisStore) lookupMany(ctx context.Context, names []string, early float64) ([]entry, error) {
	entries := make([]entry, len(names))
	groups := s.lookupGroups(names)
	errs := make([]error, len(groups))
	var running sync.WaitGroup
	for i, group := range groups[1:] {
		running.Go(func() { errs[i+1] = s.lookupGroup(ctx, names, group, early, entries) })
	}
	errs[0] = s.lookupGroup(ctx, names, groups[0], early, entries)
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// lookupGroups returns the indexes of names that may share a transaction.
func (s *redisStore) lookupGroups(names []string) (groups [][]int) {
	if !s.cluster {
		all := make([]int, len(names))
		for i := range all {
			all[i] = i
		}
		return slices.Collect(slices.Chunk(all, maxLookup))
	}
	byBucket := map[string][]int{}
	for i, name := range names {
		bucket := s.keys(object{'k', name})[0]
		byBucket[bucket] = append(byBucket[bucket], i)
	}
	for _, group := range byBucket {
		groups = slices.AppendSeq(groups, slices.Chunk(group, maxLookup))
	}
	return groups
}

// lookupGroup reads the keys of one transaction into entries.
func (s *redisStore) lookupGroup(
	ctx context.Context, names []string, group []int, early float64, entries []entry,
) error {
	b := s.client.B()
	commands := make([]rueidis.Completed, 0, 2*len(group)+4)
	commands = append(commands, s.fixed.begin)
	for _, i := range group {
		keys := s.keys(object{'k', names[i]})
		commands = append(commands,
			b.Arbitrary("HMGET").Keys(keys[0]).Args(metaFields...).Build().Pin(),
			b.Arbitrary("HMGET").Keys(keys[1]).Args(entryFields...).Build().Pin())
	}
	commands = append(commands, s.fixed.clock, s.fixed.term, s.fixed.end)
	n := 2 * len(group)
	r, err := transactionReply(s.client.DoMulti(ctx, commands...), n+2)
	if r == nil {
		return err
	}
	server := identity(r[n+1])
	for j, i := range group {
		entries[i] = parseLookup(r[2*j], r[2*j+1], r[n], server, early)
	}
	return nil
}

// transactionReply returns the reply of EXEC. It returns nil without an error if the server refuses a command: the
// script that follows shows what is wrong.
func transactionReply(replies []rueidis.RedisResult, length int) ([]rueidis.RedisMessage, error) {
	r, err := replies[len(replies)-1].ToArray()
	if err != nil {
		if _, refused := rueidis.IsRedisErr(err); refused {
			err = nil
		}
		return nil, err
	}
	if len(r) != length {
		return nil, nil
	}
	return r, nil
}

// parseLookup returns the entry of one key. The entry is not found if another server wrote it, if its epoch is over, or
// if it needs a refresh.
func parseLookup(meta, fields, clock rueidis.RedisMessage, server string, early float64) entry {
	f := reader{values: list(meta)}
	run, current := f.text(), f.text()
	if current == "" || run != server {
		return entry{}
	}
	f.values = slices.Concat(list(fields), list(clock))
	e := entry{
		epoch: f.text(), generation: f.text(),
		token: f.text(), value: []byte(f.text()), notFound: f.text() == "1", tagVersions: f.text(),
	}
	stored, freshUntil, keepUntil, loadTime := f.micros(), f.micros(), f.micros(), f.micros()
	now := 1e6*f.micros() + f.micros() // TIME returns seconds and microseconds
	e.age, e.freshFor, e.keepFor = now-stored, freshUntil-now, keepUntil-now
	live := e.epoch == current && e.token != "" && e.keepFor > 0
	due := float64(e.freshFor) <= float64(loadTime)*early
	e.found = live && !due && f.err == nil
	return e
}

// list returns the elements of an array. If m is not an array, the result is too short for the reader, which reports an
// error.
func list(m rueidis.RedisMessage) []rueidis.RedisMessage {
	l, _ := m.ToArray()
	return l
}

// identity returns what server() in meta.lua makes of the same section of INFO.
func identity(term rueidis.RedisMessage) string {
	t, err := term.ToString()
	switch {
	case err != nil:
		return ""
	case infoField(t, "role") != "master":
		return "replica"
	}
	return infoField(t, "master_replid")
}

func infoField(info, name string) string {
	_, value, _ := strings.Cut(info, name+":")
	value, _, _ = strings.Cut(value, "\r")
	return value
}
