package cache

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// cached is what the simulator tests: this package's cache, and simpler caches that the simulator has to catch.
type cached interface {
	Get(ctx context.Context, key string) (int, error)
	InvalidateAt(ctx context.Context, at position.Position, keys ...string) error
	InvalidateTagsAt(ctx context.Context, at position.Position, tags ...string) error
	Run(ctx context.Context) error
}

// simNode is one process. A dead one reaches nothing, and no reader uses it.
type simNode struct {
	*world
	cached
	id     string
	dead   bool      // guarded by world.mu
	cutOff time.Time // guarded by world.mu: until then the node does not reach the store
	kill   context.CancelFunc
}

// simLease is the lease of level 1 in the simulator, simSettings are the settings of all nodes.
const (
	simLease    = 400 * time.Millisecond
	simSettings = "simulated"
)

// newOurs builds the production code on the simulated store.
func newOurs(n *simNode, random func() uint64) cached {
	o := &Options[string, int]{
		TTL: 1500 * time.Millisecond, Stale: time.Second, L1Entries: 100, LoadTimeout: time.Second, MaxLag: simLagMost,
		Tuning: Tuning{
			L1TTL: time.Second, L1Lease: simLease, FillLease: 300 * time.Millisecond, FillWait: 200 * time.Millisecond,
			StoreTimeout: 100 * time.Millisecond, Retry: 100 * time.Millisecond,
		},
		Tags: func(key string) []string {
			if key == "list" {
				return []string{"tag"}
			}
			return nil
		},
	}
	if n.extended {
		o.TTLOf = func(_ string, version int) time.Duration { return time.Duration(version%4) * 500 * time.Millisecond }
		o.LoadMany = n.loadMany
	}
	checked, err := o.withDefaults()
	if err != nil {
		panic(err)
	}
	c, err := assemble[string, int](n, "sim", n.load, checked)
	if err != nil {
		panic(err)
	}
	c.random, c.writerID = random, "process "+n.id
	return c
}

// loadMany loads each key and reports the position of each load.
func (n *simNode) loadMany(ctx context.Context, keys []string) (map[string]int, error) {
	values := map[string]int{}
	for _, key := range keys {
		version, at, err := n.load(ctx, key, position.Needed(ctx))
		if err != nil {
			return nil, err
		}
		position.Report(ctx, at)
		values[key] = version
	}
	return values, nil
}

// The store as the cache of a node sees it. The texts name the random draws: a change of a text changes all seeds.

func (n *simNode) lookup(ctx context.Context, name string, early float64) (entry, error) {
	return simCall(ctx, n, "look "+name, func() entry { return n.m.lookup(name, early) })
}

func (n *simNode) lookupMany(ctx context.Context, names []string, early float64) ([]entry, error) {
	return simCall(ctx, n, "look "+strings.Join(names, " "), func() []entry { return n.m.lookupMany(names, early) })
}

func (n *simNode) acquire(ctx context.Context, name string, r leaseRequest) (entry, error) {
	return simCall(ctx, n, "acquire "+name, func() entry { return n.m.acquire(name, r) })
}

func (n *simNode) acquireMany(ctx context.Context, names []string, rs []leaseRequest) ([]entry, error) {
	return simCall(ctx, n, "acquire "+strings.Join(names, " "), func() []entry { return n.m.acquireMany(names, rs) })
}

func (n *simNode) fill(ctx context.Context, name string, v newValue) (fillResult, error) {
	return simCall(ctx, n, "fill "+name+v.token, func() fillResult { return n.m.fill(name, v) })
}

func (n *simNode) release(ctx context.Context, name, token string, backOff time.Duration) error {
	return tell(ctx, n, "release "+token, func() { n.m.release(name, token, backOff) })
}

func (n *simNode) invalidate(
	ctx context.Context, o object, at position.Position, message string, set *newValue,
) (bool, error) {
	return simCall(ctx, n, "invalidate "+message, func() bool { return n.m.invalidate(o, at, message, set) })
}

func (n *simNode) tagVersions(ctx context.Context, lists [][]string, maxLag time.Duration) ([]tagState, error) {
	return simCall(ctx, n, "stamps", func() []tagState { return n.m.tagVersions(lists, maxLag) })
}

func (n *simNode) reserve(ctx context.Context, name string) (epoch, generation string, err error) {
	type version struct{ epoch, generation string }
	v, err := simCall(ctx, n, "reserve "+name, func() (v version) {
		v.epoch, v.generation, _ = n.m.version(object{'k', name}, 0)
		return v
	})
	return v.epoch, v.generation, err
}

func (n *simNode) inspect(context.Context, string) (record, error) { return record{}, errSim }

func (n *simNode) join(ctx context.Context, node string) (memberList, error) {
	return simCall(ctx, n, "join", func() memberList {
		list, err := n.m.join(node, simSettings, simLease)
		if err != nil {
			panic(err) // all nodes have the same settings
		}
		return list
	})
}

func (n *simNode) members(ctx context.Context) (memberList, error) {
	return simCall(ctx, n, "members", func() memberList {
		list, err := n.m.members(simSettings, simLease)
		if err != nil {
			panic(err)
		}
		return list
	})
}

func (n *simNode) renew(ctx context.Context, node string) (bool, error) {
	return simCall(ctx, n, "renew", func() bool { return n.m.renew(node) })
}

func (n *simNode) evict(ctx context.Context, nodes ...string) error {
	return tell(ctx, n, "expel", func() { n.m.evict(nodes...) })
}

func (n *simNode) remove(ctx context.Context, nodes ...string) error {
	return tell(ctx, n, strings.Join(nodes, " "), func() { n.m.remove(nodes...) })
}

func (n *simNode) publish(ctx context.Context, channel, text string) error {
	return tell(ctx, n, channel+text, func() { n.world.publish(channel, text) })
}

func (n *simNode) subscribe(ctx context.Context, channels []string, up func(), message func(channel, text string)) error {
	return n.world.subscribe(ctx, n, channels, up, message)
}

func (n *simNode) storeAck(ctx context.Context, writer, ack string) error {
	return tell(ctx, n, "store ack "+writer+ack, func() { n.m.storeAck(writer, ack) })
}

func (n *simNode) takeAcks(ctx context.Context, writer string) ([]string, error) {
	return simCall(ctx, n, "take acks", func() []string { return n.m.takeAcks(writer) })
}

// check compares a read with the version that was acknowledged before it began.
func (n *simNode) check(key string, began time.Duration, floor, version int, err error) {
	n.reads++
	n.trace += uint64(version+1) * uint64(time.Since(n.start)+began)
	switch {
	case err != nil:
		n.failed++
	case version < floor:
		n.stale++
		if n.complaint == "" {
			n.complaint = fmt.Sprintf("read of %s from %v to %v: version %d, but %d was acknowledged before",
				key, began, time.Since(n.start), version, floor)
		}
	}
}
