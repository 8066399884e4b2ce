package cache

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// looking is what all looks have in common.
type looking struct{ begin, clock, process, term, end rueidis.Completed }

func newLooking(b rueidis.Builder) looking {
	word := func(words ...string) rueidis.Completed { return b.Arbitrary(words...).Build().Pin() }
	return looking{
		begin: b.Multi().Build().Pin(), clock: word("TIME"),
		process: word("INFO", "server"), term: word("INFO", "replication"), end: b.Exec().Build().Pin(),
	}
}

// look is one transaction of plain commands, less than half of a script's work for the server; most reads of the store end
// with it. It has to be one: with the server's identity of a moment ago, it would let pass what a failover has brought back
// since. To rueidis, the commands are arbitrary ones: what it knows to be reads it may send again by themselves, or to a
// replica.
func (s *redisStore) look(ctx context.Context, name string, early float64) (a answer, ok bool, err error) {
	keys, b := s.keys(object{'k', name}), s.client.B()
	replies := s.client.DoMulti(ctx, s.looking.begin,
		b.Arbitrary("HMGET").Keys(keys[0]).Args("run", "ep").Build().Pin(),
		b.Arbitrary("HMGET").Keys(keys[1]).Args("ep", "gen", "by", "val", "neg", "tags", "born", "soft", "hard", "took").Build().Pin(),
		s.looking.clock, s.looking.process, s.looking.term, s.looking.end)
	r, err := replies[len(replies)-1].ToArray()
	if err != nil {
		if _, said := rueidis.IsRedisErr(err); said { // it does not take this; what is wrong, a script will tell
			err = nil
		}
		return a, false, err
	}
	if len(r) != 5 {
		return a, false, nil
	}
	f := reader{r: slices.Concat(list(r[0]), list(r[1]), list(r[2]))}
	run, current := f.text(), f.text()
	if current == "" || run != identity(r[3], r[4]) {
		return a, false, nil
	}
	a = answer{found: true, epoch: f.text(), gen: f.text(), by: f.text(), value: []byte(f.text()), negative: f.text() == "1", tags: f.text()}
	born, soft, hard, took := f.micros(), f.micros(), f.micros(), f.micros()
	now := 1e6*f.micros() + f.micros() // TIME is seconds and microseconds
	a.age, a.soft, a.hard = now-born, soft-now, hard-now
	live := a.epoch == current && a.by != "" && a.hard > 0
	due := float64(a.soft) <= float64(took)*early
	return a, live && !due && f.err == nil, nil
}

func list(m rueidis.RedisMessage) []rueidis.RedisMessage {
	l, _ := m.ToArray() // none: too short for the reader
	return l
}

// identity is what server in meta.lua makes of the same two sections of INFO.
func identity(process, term rueidis.RedisMessage) string {
	p, err := process.ToString()
	if err != nil {
		return ""
	}
	t, err := term.ToString()
	switch {
	case err != nil:
		return ""
	case field(t, "role") != "master":
		return field(p, "run_id") + "replica"
	}
	return field(p, "run_id") + field(t, "master_replid")
}

func field(info, name string) string {
	_, value, _ := strings.Cut(info, name+":")
	value, _, _ = strings.Cut(value, "\r")
	return value
}
