package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// world is the environment of the simulated caches: a database with lagging replicas; a store that fails over, restarts
// and loses data; connections that lose requests, replies and messages. Time is that of synctest. Every draw depends on
// the seed, on who draws for what, and on the time. So the schedule of a seed does not depend on which of two
// goroutines ran first.
type world struct {
	mu    sync.Mutex
	seed  uint64
	start time.Time
	scenario

	m     *model
	plain map[string]plainEntry // guarded by mu: the store of the simpler caches
	saved []*savedStore         // guarded by mu: the data of a replica or a file
	runs  int
	cut   time.Time // until then the store is unreachable
	stall time.Time // until then the store answers nothing, and does everything later

	subs []*simSub // guarded by mu

	commits []simCommit    // guarded by mu: the database's log; position = index + 1
	lags    []simLag       // of each replica
	acked   map[string]int // guarded by mu: acknowledged versions
	outbox  []simWrite     // guarded by mu: committed, not acknowledged

	outcome // guarded by mu
}

type savedStore struct {
	m     *model
	plain map[string]plainEntry
}

type plainEntry struct {
	version int
	full    bool
	token   string
}

type simCommit struct {
	at      time.Time
	key     string
	version int
}

type simLag struct{ least, stuckFrom, stuckTo time.Duration }

type simWrite struct {
	key string
	ver int
	at  position.Position
}

func newWorld(seed uint64, s scenario) *world {
	w := &world{seed: seed, start: time.Now(), scenario: s, acked: map[string]int{}, plain: map[string]plainEntry{}}
	epochs := 0
	w.m = newModel("sim", "run0", func() string { epochs++; return fmt.Sprint("epoch", epochs) })
	w.m.publish = w.publish
	w.m.flaw = s.flaw
	for i := range 2 {
		d := w.dice("replica", fmt.Sprint(i))
		l := simLag{least: d.upTo(20 * time.Millisecond), stuckFrom: d.upTo(simTime)}
		l.stuckTo = l.stuckFrom + d.upTo(simLagMost-100*time.Millisecond)
		w.lags = append(w.lags, l)
	}
	return w
}

const (
	simTime    = 4 * time.Second
	simLagMost = 1500 * time.Millisecond
)

// dice are the random numbers for one purpose at one instant.
type dice struct {
	*rand.Rand
	calm bool
}

func (w *world) dice(who, what string) dice {
	h := uint64(14695981039346656037) // FNV-1a
	for _, s := range [2]string{who, what} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h *= 1099511628211
	}
	return dice{rand.New(rand.NewPCG(w.seed, h^uint64(time.Since(w.start))*0x9e3779b97f4a7c15)), w.calm}
}

func (d dice) upTo(most time.Duration) time.Duration { return time.Duration(d.Int64N(int64(most))) + 1 }

func (d dice) oneIn(n int) bool { return d.IntN(n) == 0 }

// delay returns the time of one way over the network, or of one step in the database.
func (d dice) delay() time.Duration {
	switch p := d.IntN(100); {
	case p < 80:
		return d.upTo(time.Millisecond)
	case p < 97 || d.calm:
		return d.upTo(20 * time.Millisecond)
	}
	return d.upTo(300 * time.Millisecond)
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

var errSim = errors.New("simulated: connection lost")

// simCall runs one step on the store for a node. The request or the reply may be lost or late. A step may run after
// simCall has returned, so its result travels as a value.
func simCall[T any](ctx context.Context, n *simNode, what string, step func() T) (T, error) {
	w := n.world
	d := w.dice(n.id, what)
	there, back := d.delay(), d.delay()
	lostThere, lostBack, hang := !w.calm && d.oneIn(50), !w.calm && d.oneIn(50), d.oneIn(2)
	after := d.upTo(time.Millisecond)
	type reply struct {
		value T
		err   error
	}
	done := make(chan reply, 1)
	go func() {
		time.Sleep(there)
		var stall time.Duration
		w.locked(func() { stall = time.Until(w.stall) })
		if stall > 0 {
			time.Sleep(stall + after) // not all at the same nanosecond: their order would not repeat
		}
		var r reply
		gone := lostThere
		w.locked(func() {
			if gone = gone || n.dead || time.Now().Before(w.cut) || time.Now().Before(n.cutOff); !gone {
				w.m.now = time.Now().UnixMicro()
				r.value = step()
				gone = lostBack
			}
		})
		time.Sleep(back)
		switch {
		case !gone:
			done <- r
		case !hang:
			done <- reply{err: errSim}
		}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// tell is simCall for a step without a result.
func tell(ctx context.Context, n *simNode, what string, step func()) error {
	_, err := simCall(ctx, n, what, func() struct{} { step(); return struct{}{} })
	return err
}

// simSub is the connection of one subscription. Messages arrive in order; they may be late or lost.
type simSub struct {
	id       string
	channels []string
	queue    []simMessage // guarded by world.mu
	wake     chan struct{}
	last     time.Time
	broken   bool // guarded by world.mu: the connection is broken, and the client has not noticed
}

type simMessage struct {
	due           time.Time
	channel, text string
}

// publish is called by the model. The caller holds mu.
func (w *world) publish(channel, text string) {
	for _, s := range w.subs {
		d := w.dice(s.id, text)
		if s.broken || !slices.Contains(s.channels, channel) || !w.calm && d.oneIn(40) {
			continue
		}
		due := time.Now().Add(d.delay())
		if due.Before(s.last) {
			due = s.last
		}
		s.last = due
		s.queue = append(s.queue, simMessage{due, channel, text})
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

func (w *world) subscribe(
	ctx context.Context, n *simNode, channels []string, up func(), message func(channel, text string),
) error {
	s := &simSub{id: channels[1], channels: channels, wake: make(chan struct{}, 1)}
	if err := tell(ctx, n, "subscribe", func() {
		w.subs = append(w.subs, s)
		slices.SortFunc(w.subs, func(a, b *simSub) int { return strings.Compare(a.id, b.id) })
	}); err != nil {
		w.locked(func() { w.closeSub(s) })
		return err
	}
	defer w.locked(func() { w.closeSub(s) })
	up()
	for {
		var next *simMessage
		var wait time.Duration
		var broken bool
		w.locked(func() {
			broken = s.broken
			if len(s.queue) > 0 {
				next = &s.queue[0]
				if wait = time.Until(next.due); wait <= 0 {
					s.queue = s.queue[1:]
				}
			}
			if broken {
				wait = w.dice(s.id, "broken").upTo(800 * time.Millisecond)
			}
		})
		switch {
		case broken: // the client notices after a while
			sleep(ctx, wait)
			return errSim
		case next == nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.wake:
			}
		case wait > 0:
			if !sleep(ctx, wait) {
				return ctx.Err()
			}
		default:
			message(next.channel, next.text)
		}
	}
}

func (w *world) closeSub(s *simSub) {
	w.subs = slices.DeleteFunc(w.subs, func(o *simSub) bool { return o == s })
}

func (w *world) breakSub(s *simSub) {
	s.broken = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// faults causes the faults of a schedule, one after another.
func (w *world) faults(ctx context.Context, nodes func() []*simNode) {
	d := w.dice("trouble", "")
	for sleep(ctx, d.upTo(600*time.Millisecond)) {
		w.locked(func() {
			w.save()
			switch d.IntN(9) {
			case 0: // failover to a replica without the last writes, or restart from a file
				w.takeOver(d, w.saved[d.IntN(len(w.saved))])
			case 1: // restart without data
				w.takeOver(d, &savedStore{m: newModel("sim", "", w.m.epochs), plain: map[string]plainEntry{}})
			case 2: // FLUSHALL
				empty := newModel("sim", w.m.run, w.m.epochs)
				empty.publish, empty.flaw, empty.seen = w.publish, w.flaw, w.m.seen
				w.m, w.plain = empty, map[string]plainEntry{}
			case 3: // eviction
				for _, o := range w.m.names() {
					if d.IntN(2) == 0 {
						delete(w.m.entries, o)
					}
				}
				if d.IntN(3) == 0 {
					clear(w.m.buckets)
				}
				if d.IntN(3) == 0 {
					w.m.nodes = nil
				}
			case 4: // store unreachable for all nodes
				w.cut = time.Now().Add(d.upTo(900 * time.Millisecond))
			case 5: // store unreachable for one node
				all := nodes()
				all[d.IntN(len(all))].cutOff = time.Now().Add(d.upTo(1200 * time.Millisecond))
			case 6: // the store stalls
				w.stall = time.Now().Add(d.upTo(500 * time.Millisecond))
			default: // a subscription breaks without notice
				if len(w.subs) > 0 {
					w.breakSub(w.subs[d.IntN(len(w.subs))])
				}
			}
		})
	}
}

// stalls lets the store stall again and again, for longer than a node may be silent.
func (w *world) stalls(ctx context.Context) {
	for sleep(ctx, w.dice("stall", "pause").upTo(200*time.Millisecond)) {
		w.locked(func() { w.stall = time.Now().Add(400 * time.Millisecond) })
		sleep(ctx, 400*time.Millisecond)
	}
}

// save keeps the data that a replica would have. The caller holds mu.
func (w *world) save() {
	plain := map[string]plainEntry{}
	for k, v := range w.plain {
		plain[k] = v
	}
	w.saved = append(w.saved, &savedStore{m: w.m.clone(), plain: plain})
	if len(w.saved) > 3 {
		w.saved = w.saved[1:]
	}
}

// takeOver replaces the store by another server. The caller holds mu.
func (w *world) takeOver(d dice, s *savedStore) {
	w.runs++
	seen := w.m.seen
	w.m = s.m.clone()
	w.m.run, w.m.publish, w.m.flaw, w.m.seen = fmt.Sprint("run", w.runs), w.publish, w.flaw, seen
	w.plain = map[string]plainEntry{}
	for k, v := range s.plain {
		w.plain[k] = v
	}
	for _, sub := range w.subs {
		w.breakSub(sub)
	}
	if d.IntN(2) == 0 {
		w.cut = time.Now().Add(d.upTo(400 * time.Millisecond))
	}
}

// write commits a new version of a key and returns it with its position.
func (w *world) write(key string) simWrite {
	d := w.dice("write", key)
	time.Sleep(d.delay())
	var s simWrite
	w.locked(func() {
		s = simWrite{key: key, ver: w.versionAt(key, len(w.commits)) + 1}
		w.commits = append(w.commits, simCommit{time.Now(), key, s.ver})
		s.at = pos(1, uint64(len(w.commits)))
		w.outbox = append(w.outbox, s)
	})
	time.Sleep(d.delay())
	return s
}

func (w *world) versionAt(key string, commits int) int {
	for i := commits - 1; i >= 0; i-- {
		if w.commits[i].key == key {
			return w.commits[i].version
		}
	}
	return 0
}

// acknowledge ends a write whose invalidation has returned.
func (w *world) acknowledge(s simWrite) {
	w.locked(func() {
		w.acked[s.key] = max(w.acked[s.key], s.ver)
		w.outbox = slices.DeleteFunc(w.outbox, func(o simWrite) bool { return o == s })
	})
}

func (w *world) replayed(replica int) int {
	l, since := w.lags[replica], time.Since(w.start)
	at := since - l.least
	if since > l.stuckFrom && since < l.stuckTo {
		at = min(at, l.stuckFrom)
	}
	n := 0
	for n < len(w.commits) && w.commits[n].at.Sub(w.start) <= at {
		n++
	}
	return n
}

// load is the loader. It prefers replicas, reports truthfully where it read, and is slow or fails at times. Sometimes
// it reads from a replica that lags too far behind.
func (n *simNode) load(ctx context.Context, key string, needed position.Position) (int, position.Position, error) {
	d := n.dice(n.id, "load "+key+needed.String())
	time.Sleep(d.delay())
	var version int
	var at position.Position
	n.locked(func() {
		n.loads++
		commits := len(n.commits)
		at = position.Primary
		if replica := d.IntN(3); replica < 2 && needed != position.Primary {
			r := n.replayed(replica)
			replayed := pos(1, uint64(r))
			if !replayed.Before(needed) || d.oneIn(3) { // the latter is the loader's mistake
				commits, at = r, replayed
			}
		}
		version = n.versionAt(key, commits)
	})
	time.Sleep(d.delay())
	if d.oneIn(15) && !sleep(ctx, d.upTo(700*time.Millisecond)) {
		return 0, at, ctx.Err()
	}
	if d.oneIn(25) {
		return 0, at, errSim
	}
	return version, at, nil
}

func pos(timeline, offset uint64) position.Position {
	return position.Position{Timeline: timeline, Offset: offset}
}
