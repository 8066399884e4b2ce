package cache

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// model is what the Lua scripts do, in Go: one server's data, one atomic step per call, time as an argument.
// TestModelAgreesWithScripts holds it to the scripts.
type model struct {
	run     string
	epochs  func() string
	now     int64 // microseconds
	buckets map[string]*modelMeta
	entries map[object]*modelEntry
	nodes   map[string]bool // with the run that wrote it; nil: lost
	nodeRun string
	publish func(channel, text string)
	prefix  string
	flaw    string // a guard that is left out, for tests of the simulator itself
	seen    *sight // for a flaw
}

// sight is a server's identity as somebody saw it last.
type sight struct {
	run string
	at  int64
}

type modelMeta struct {
	run, epoch string
	seq        int64
	hi         Position
	born       int64
}

type modelEntry struct {
	epoch      string
	gen        int64
	pos        Position
	by         string
	value      []byte
	negative   bool
	born, took int64
	soft, hard int64
	tags       string
	token      string
	until      int64
	retry      int64
	expires    int64 // of the key
}

func newModel(prefix, run string, epochs func() string) *model {
	return &model{
		prefix: prefix, run: run, epochs: epochs, buckets: map[string]*modelMeta{}, entries: map[object]*modelEntry{},
		publish: func(string, string) {}, seen: &sight{},
	}
}

// clone is what a replica, or a file on disk, holds of m.
func (m *model) clone() *model {
	c := *m
	c.buckets, c.entries = map[string]*modelMeta{}, map[object]*modelEntry{}
	for k, v := range m.buckets {
		v := *v
		c.buckets[k] = &v
	}
	for k, v := range m.entries {
		v := *v
		c.entries[k] = &v
	}
	c.nodes = maps.Clone(m.nodes)
	return &c
}

func (m *model) meta(o object) *modelMeta {
	b := m.buckets[m.bucket(o)]
	if b == nil || m.foreign(b) {
		b = &modelMeta{run: m.server(), epoch: m.epochs(), seq: m.now, born: m.now}
		m.buckets[m.bucket(o)] = b
	}
	return b
}

func (m *model) bucket(o object) string { return (&redisStore{prefix: m.prefix}).keys(o)[0] }

// server is the identity that a call goes by.
func (m *model) server() string {
	if m.flaw != "identity" {
		return m.run
	}
	if m.now-m.seen.at > 100_000 {
		*m.seen = sight{m.run, m.now}
	}
	return m.seen.run
}

// foreign tells whether another server, or an earlier term of this one, wrote b.
func (m *model) foreign(b *modelMeta) bool { return b.run != m.server() && m.flaw != "epoch" }

// entry is what stands under a name, nil if nothing of this epoch does.
func (m *model) entry(o object, epoch string) *modelEntry {
	e := m.entries[o]
	if e != nil && (e.expires <= m.now || e.epoch != epoch) {
		delete(m.entries, o)
		return nil
	}
	return e
}

func (e *modelEntry) live(now int64, d time.Duration) {
	e.expires = max(e.expires, now+d.Microseconds())
}

func (e *modelEntry) answer(now int64) answer {
	return answer{
		found: true, epoch: e.epoch, gen: strconv.FormatInt(e.gen, 10), by: e.by, value: e.value, negative: e.negative, tags: e.tags,
		age: us(now - e.born), soft: us(e.soft - now), hard: us(e.hard - now),
	}
}

func us(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// look finds nothing where a script has something to do.
func (m *model) look(name string, early float64) answer {
	o := object{'k', name}
	b, e := m.buckets[m.bucket(o)], m.entries[o]
	if b == nil || m.foreign(b) || e == nil || e.expires <= m.now || e.epoch != b.epoch {
		return answer{}
	}
	if e.by == "" || e.hard <= m.now || float64(e.soft-m.now) <= float64(e.took)*early {
		return answer{}
	}
	return e.answer(m.now)
}

func (m *model) acquire(name string, q question) answer {
	o := object{'k', name}
	b := m.meta(o)
	e := m.entry(o, b.epoch)
	var (
		fresh = e == nil
		v     modelEntry
	)
	if fresh {
		v = modelEntry{epoch: b.epoch, gen: b.seq, pos: b.hi}
	} else {
		v = *e
	}
	var a answer
	if v.by != "" && v.by != q.reject && v.hard > m.now {
		a = v.answer(m.now)
	}
	a.epoch, a.gen, a.need = b.epoch, strconv.FormatInt(v.gen, 10), v.pos
	if m.now-b.born < q.maxLag.Microseconds() {
		a.need = Primary
	}
	if m.flaw == "position" {
		a.need = Position{}
	}
	mine := v.token != "" && v.token == q.token
	taken := v.token != "" && !mine && v.until > m.now
	a.granted = !taken
	if a.found {
		due := float64(v.soft-m.now) <= float64(v.took)*q.early
		if !mine && (!due || v.retry > m.now) {
			a.granted = false
		}
	}
	if a.granted {
		v.token, v.until = q.token, m.now+q.lease.Microseconds()
		v.live(m.now, q.lease)
		m.entries[o] = &v
	}
	if taken {
		a.wait = us(v.until - m.now)
	}
	return a
}

func (m *model) fill(name string, f filling) verdict {
	o := object{'k', name}
	b := m.meta(o)
	e := m.entries[o]
	switch {
	case b.epoch != f.epoch || e == nil || e.expires <= m.now || e.epoch != b.epoch:
		return refusedEpoch
	case e.by == f.token:
		return stored
	case m.flaw == "lease": // anybody's fill is taken
	case e.token != f.token:
		return refusedToken
	case strconv.FormatInt(e.gen, 10) != f.gen:
		return refusedGen
	case m.flaw == "position":
	case f.at.Before(f.need) || f.at.Before(e.pos):
		return refusedPosition
	}
	e.by, e.value, e.negative, e.born, e.took = f.token, f.value, f.negative, m.now, f.took.Microseconds()
	e.soft, e.hard, e.tags = m.now+f.soft.Microseconds(), m.now+f.hard.Microseconds(), f.tags
	e.token, e.until, e.retry = "", 0, 0
	e.expires = e.hard
	return stored
}

func (m *model) release(name, token string, backOff time.Duration) {
	e := m.entries[object{'k', name}]
	if e == nil || e.expires <= m.now || e.token != token {
		return
	}
	e.token, e.until = "", 0
	if e.by != "" {
		e.retry = m.now + backOff.Microseconds()
	}
}

func (m *model) invalidate(o object, at Position, message string) {
	b := m.meta(o)
	b.seq++
	pos := later(at, b.hi)
	if e := m.entry(o, b.epoch); e != nil {
		pos = later(at, e.pos)
	}
	b.hi = later(b.hi, at)
	m.entries[o] = &modelEntry{epoch: b.epoch, gen: b.seq, pos: pos, expires: m.now + tombstone.Microseconds()}
	m.publish(invalidations(m.prefix), message)
}

func (m *model) stamps(tags []string, maxLag time.Duration) (all string, need Position) {
	for _, tag := range tags {
		o := object{'t', tag}
		b := m.meta(o)
		e := m.entry(o, b.epoch)
		if e == nil {
			e = &modelEntry{epoch: b.epoch, gen: b.seq, pos: b.hi}
			m.entries[o] = e
		}
		e.live(m.now, tombstone)
		pos := e.pos
		if m.now-b.born < maxLag.Microseconds() {
			pos = Primary
		}
		all += b.epoch + ":" + strconv.FormatInt(e.gen, 10) + " "
		need = later(need, pos)
	}
	return all, need
}

func (m *model) list() map[string]bool {
	if m.nodes == nil || m.nodeRun != m.server() {
		m.nodeRun, m.nodes = m.server(), map[string]bool{lostNodes + strconv.FormatInt(m.now, 10): false}
	}
	return m.nodes
}

func (m *model) members() map[string]bool {
	if m.flaw == "confirmation" { // invalidations wait for nobody
		return nil
	}
	return maps.Clone(m.list())
}

func (m *model) join(node string) map[string]bool {
	m.list()[node] = true
	return maps.Clone(m.nodes)
}

func (m *model) expel(nodes ...string) {
	for _, node := range nodes {
		if _, ok := m.list()[node]; ok {
			m.nodes[node] = false
		}
	}
}

func (m *model) remove(nodes ...string) {
	for _, node := range nodes {
		delete(m.list(), node)
	}
}

// names lists the entries in order.
func (m *model) names() []object {
	return slices.SortedFunc(maps.Keys(m.entries), func(a, b object) int { return strings.Compare(a.name, b.name) })
}
