package cache

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// model does in Go what the Lua scripts do: the data of one server, one atomic step per call, and time as an argument.
// TestModelAgreesWithScripts compares it with the scripts.
type model struct {
	run     string
	epochs  func() string
	now     int64 // microseconds
	buckets map[string]*modelMeta
	entries map[object]*modelEntry
	nodes   *modelNodes // nil: lost
	acks    map[string][]string
	publish func(channel, text string)
	prefix  string
	flaw    string         // a guard that is left out, for tests of the simulator
	seen    *modelIdentity // for the flaw "identity"
}

// modelIdentity is a server's identity at an earlier time.
type modelIdentity struct {
	run string
	at  int64
}

type modelMeta struct {
	run, epoch string
	seq        int64
	hi         position.Position
	born       int64
}

type modelEntry struct {
	epoch       string
	gen         int64
	pos         position.Position
	by          string
	value       []byte
	notFound    bool
	born, took  int64
	soft, hard  int64
	tagVersions string
	token       string
	until       int64
	retry       int64
	expires     int64 // of the key
}

type modelNodes struct {
	run      string
	settings string
	lease    time.Duration
	renewed  map[string]int64 // negative: evicted
}

func newModel(prefix, run string, epochs func() string) *model {
	return &model{
		prefix: prefix, run: run, epochs: epochs, buckets: map[string]*modelMeta{}, entries: map[object]*modelEntry{},
		acks: map[string][]string{}, publish: func(string, string) {}, seen: &modelIdentity{},
	}
}

// clone returns what a replica, or a file on disk, has of m.
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
	if m.nodes != nil {
		nodes := *m.nodes
		nodes.renewed = maps.Clone(m.nodes.renewed)
		c.nodes = &nodes
	}
	c.acks = maps.Clone(m.acks)
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

// server returns the identity that calls use.
func (m *model) server() string {
	if m.flaw != "identity" {
		return m.run
	}
	if m.now-m.seen.at > 100_000 {
		*m.seen = modelIdentity{m.run, m.now}
	}
	return m.seen.run
}

// foreign reports whether another server, or this one in an earlier term, wrote b.
func (m *model) foreign(b *modelMeta) bool { return b.run != m.server() && m.flaw != "epoch" }

// entry returns the entry of a name, or nil if this epoch has none.
func (m *model) entry(o object, epoch string) *modelEntry {
	e := m.entries[o]
	if e != nil && (e.expires <= m.now || e.epoch != epoch) {
		delete(m.entries, o)
		return nil
	}
	return e
}

func (e *modelEntry) keepAlive(now int64, d time.Duration) {
	e.expires = max(e.expires, now+d.Microseconds())
}

func (e *modelEntry) answer(now int64) entry {
	return entry{
		found: true, epoch: e.epoch, generation: strconv.FormatInt(e.gen, 10),
		token: e.by, value: e.value, notFound: e.notFound, tagVersions: e.tagVersions,
		age: us(now - e.born), freshFor: us(e.soft - now), keepFor: us(e.hard - now),
	}
}

func us(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func (m *model) lookup(name string, early float64) entry {
	o := object{'k', name}
	b, e := m.buckets[m.bucket(o)], m.entries[o]
	if b == nil || m.foreign(b) || e == nil || e.expires <= m.now || e.epoch != b.epoch {
		return entry{}
	}
	if e.by == "" || e.hard <= m.now || float64(e.soft-m.now) <= float64(e.took)*early {
		return entry{}
	}
	return e.answer(m.now)
}

func (m *model) lookupMany(names []string, early float64) []entry {
	entries := make([]entry, len(names))
	for i, name := range names {
		entries[i] = m.lookup(name, early)
	}
	return entries
}

func (m *model) acquire(name string, r leaseRequest) entry {
	o := object{'k', name}
	b := m.meta(o)
	var v modelEntry
	if e := m.entry(o, b.epoch); e != nil {
		v = *e
	} else {
		v = modelEntry{epoch: b.epoch, gen: b.seq, pos: b.hi}
	}
	var a entry
	if v.by != "" && v.by != r.reject && v.hard > m.now {
		a = v.answer(m.now)
	}
	a.epoch, a.generation, a.needed = b.epoch, strconv.FormatInt(v.gen, 10), v.pos
	if m.now-b.born < r.maxLag.Microseconds() {
		a.needed = position.Primary
	}
	if m.flaw == "position" {
		a.needed = position.Position{}
	}
	own := v.token != "" && v.token == r.token
	taken := v.token != "" && !own && v.until > m.now
	a.granted = !taken
	if a.found {
		due := float64(v.soft-m.now) <= float64(v.took)*r.early
		if !own && (!due || v.retry > m.now) {
			a.granted = false
		}
	}
	if a.granted {
		v.token, v.until = r.token, m.now+r.lease.Microseconds()
		v.keepAlive(m.now, r.lease)
		m.entries[o] = &v
	}
	if taken {
		a.wait = us(v.until - m.now)
	}
	return a
}

func (m *model) acquireMany(names []string, rs []leaseRequest) []entry {
	entries := make([]entry, len(names))
	for i, name := range names {
		entries[i] = m.acquire(name, rs[i])
	}
	return entries
}

func (m *model) fill(name string, v newValue) fillResult {
	o := object{'k', name}
	b := m.meta(o)
	e := m.entries[o]
	switch {
	case b.epoch != v.epoch || e == nil || e.expires <= m.now || e.epoch != b.epoch:
		return refusedEpoch
	case e.by == v.token:
		return fillStored
	case m.flaw == "lease": // every fill is accepted
	case e.token != v.token:
		return refusedToken
	case strconv.FormatInt(e.gen, 10) != v.generation:
		return refusedGeneration
	case m.flaw == "position":
	case v.at.Before(v.needed) || v.at.Before(e.pos):
		return refusedPosition
	}
	e.store(v, m.now)
	e.token, e.until, e.retry = "", 0, 0
	return fillStored
}

func (e *modelEntry) store(v newValue, now int64) {
	e.by, e.value, e.notFound, e.born, e.took = v.token, v.value, v.notFound, now, v.loadTime.Microseconds()
	e.soft, e.hard, e.tagVersions = now+v.freshFor.Microseconds(), now+v.keepFor.Microseconds(), v.tagVersions
	e.expires = e.hard
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

func (m *model) invalidate(o object, at position.Position, message string, set *newValue) (stored bool) {
	b := m.meta(o)
	e := m.entry(o, b.epoch)
	if set != nil && e != nil && e.by == set.token {
		m.publish(invalidationChannel(m.prefix), message)
		return true
	}
	b.seq++
	pos := position.Later(at, b.hi)
	if e != nil {
		pos = position.Later(at, e.pos)
	}
	if set != nil && e != nil {
		stored = b.epoch == set.epoch && strconv.FormatInt(e.gen, 10) == set.generation && !at.Before(e.pos)
	}
	if set != nil && m.flaw == "reservation" { // every Set is accepted
		stored = true
	}
	b.hi = position.Later(b.hi, at)
	v := &modelEntry{epoch: b.epoch, gen: b.seq, pos: pos, expires: m.now + tombstone.Microseconds()}
	if stored {
		v.store(*set, m.now)
	}
	m.entries[o] = v
	m.publish(invalidationChannel(m.prefix), message)
	return stored
}

func (m *model) tagVersions(lists [][]string, maxLag time.Duration) []tagState {
	states := make([]tagState, len(lists))
	for i, tags := range lists {
		for _, tag := range tags {
			epoch, gen, needed := m.version(object{'t', tag}, maxLag)
			states[i].versions += epoch + ":" + gen + " "
			states[i].needed = position.Later(states[i].needed, needed)
		}
	}
	return states
}

func (m *model) version(o object, maxLag time.Duration) (epoch, gen string, needed position.Position) {
	b := m.meta(o)
	e := m.entry(o, b.epoch)
	if e == nil {
		e = &modelEntry{epoch: b.epoch, gen: b.seq, pos: b.hi}
		m.entries[o] = e
	}
	e.keepAlive(m.now, tombstone)
	needed = e.pos
	if m.now-b.born < maxLag.Microseconds() {
		needed = position.Primary
	}
	return b.epoch, strconv.FormatInt(e.gen, 10), needed
}

// list returns the list of nodes. If it is lost, an evicted node stands for all that were on it.
func (m *model) list() *modelNodes {
	if m.nodes == nil || m.nodes.run != m.server() {
		lost := lostNodes + strconv.FormatInt(m.now, 10)
		m.nodes = &modelNodes{run: m.server(), renewed: map[string]int64{lost: -m.now}}
	}
	return m.nodes
}

func (m *model) join(node, settings string, lease time.Duration) (memberList, error) {
	return m.readNodes(settings, lease, node)
}

func (m *model) members(settings string, lease time.Duration) (memberList, error) {
	if m.flaw == "confirmation" { // no invalidation waits for a node
		return memberList{}, nil
	}
	return m.readNodes(settings, lease, "")
}

func (m *model) readNodes(settings string, lease time.Duration, join string) (memberList, error) {
	n := m.list()
	list := newMemberList(max(n.lease, lease))
	for _, node := range slices.Sorted(maps.Keys(n.renewed)) {
		if n.renewed[node] > 0 && n.settings != "" && n.settings != settings {
			if us(m.now-n.renewed[node]) < n.lease {
				return memberList{}, &SettingsError{Cache: m.prefix, Own: settings, Other: n.settings}
			}
			n.renewed[node] *= -1
		}
		if n.renewed[node] < 0 && m.flaw == "rest" { // no invalidation waits for the end of a lease
			continue
		}
		list.add(node, renewalText(n.renewed[node]), n.renewed[node] > 0)
	}
	if join != "" {
		n.settings, n.lease, n.renewed[join] = settings, list.lease, m.now
		list.add(join, renewalText(m.now), true)
	}
	return list, nil
}

func renewalText(at int64) string { return strconv.FormatInt(max(at, -at), 10) }

func (m *model) renew(node string) bool {
	n := m.list()
	if n.renewed[node] <= 0 {
		return false
	}
	n.renewed[node] = m.now
	return true
}

func (m *model) evict(nodes ...string) {
	for _, node := range nodes {
		if m.list().renewed[node] > 0 {
			m.nodes.renewed[node] *= -1
		}
	}
}

func (m *model) remove(nodes ...string) {
	for _, node := range nodes {
		delete(m.list().renewed, node)
	}
}

func (m *model) storeAck(writer, ack string) {
	m.acks[writer] = append(slices.Clip(m.acks[writer]), ack)
}

func (m *model) takeAcks(writer string) []string {
	acks := m.acks[writer]
	delete(m.acks, writer)
	return acks
}

// names returns the entries in order.
func (m *model) names() []object {
	return slices.SortedFunc(maps.Keys(m.entries), func(a, b object) int { return strings.Compare(a.name, b.name) })
}
