package cache

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// naive is the usual cache-aside: get, load, set; a write deletes.
type naive struct{ *simNode }

func newNaive(n *simNode, _ func() uint64) cached { return &naive{n} }

func (c *naive) Get(ctx context.Context, key string) (int, error) {
	e, err := simCall(ctx, c.simNode, "get "+key, func() plainEntry { return c.plain[key] })
	if err == nil && e.full {
		return e.version, nil
	}
	version, _, err := c.load(ctx, key, position.Primary) // it is caught even if it reads from the primary
	if err != nil {
		return 0, err
	}
	_ = tell(ctx, c.simNode, "set "+key, func() { c.plain[key] = plainEntry{version: version, full: true} })
	return version, nil
}

func (c *naive) InvalidateAt(ctx context.Context, _ position.Position, keys ...string) error {
	for _, key := range keys {
		for tell(ctx, c.simNode, "del "+key, func() { delete(c.plain, key) }) != nil {
			if !sleep(ctx, 10*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
	return nil
}

func (c *naive) InvalidateTagsAt(ctx context.Context, at position.Position, _ ...string) error {
	return c.InvalidateAt(ctx, at, "list")
}

func (c *naive) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// leaseOnly is naive with a token per fill, which a delete ends, as in "Scaling Memcache at Facebook". Its fills cannot
// cross an invalidation. But it ignores replicas that lag, and a store that fails over.
type leaseOnly struct {
	naive
	random func() uint64
}

func newLeaseOnly(n *simNode, random func() uint64) cached { return &leaseOnly{naive{n}, random} }

func (c *leaseOnly) Get(ctx context.Context, key string) (int, error) {
	token := strconv.FormatUint(c.random(), 36)
	e, err := simCall(ctx, c.simNode, "get "+key, func() plainEntry {
		e := c.plain[key]
		if !e.full && e.token == "" {
			c.plain[key] = plainEntry{token: token}
		}
		return e
	})
	if err == nil && e.full {
		return e.version, nil
	}
	version, _, err := c.load(ctx, key, position.Position{})
	if err != nil {
		return 0, err
	}
	_ = tell(ctx, c.simNode, "set "+key, func() {
		if c.plain[key].token == token {
			c.plain[key] = plainEntry{version: version, full: true}
		}
	})
	return version, nil
}

// rivals are simpler caches, and this package's cache with one guard left out.
var rivals = []struct {
	name     string
	scenario scenario
}{
	{"naive cache-aside, calm network", scenario{calm: true, build: newNaive}},
	{"naive cache-aside", scenario{build: newNaive}},
	{"lease only, calm network, lagging replicas", scenario{calm: true, build: newLeaseOnly}},
	{"lease only", scenario{build: newLeaseOnly}},
	{"ours without the token and generation of a fill", scenario{flaw: "lease", build: newOurs}},
	{"ours without positions", scenario{flaw: "position", build: newOurs}},
	{"ours without epochs", scenario{flaw: "epoch", build: newOurs}},
	{"ours with the server's identity of 0.1 s ago", scenario{flaw: "identity", build: newOurs}},
	{"ours without the wait for every level 1", scenario{flaw: "confirmation", build: newOurs}},
	{"ours without the rest of the lease of an evicted node", scenario{flaw: "rest", build: newOurs}},
	{"ours without the wait, invalidated without Run", scenario{flaw: "confirmation", onlyJob: true, build: newOurs}},
	{"ours with a Set that ignores its reservation", scenario{flaw: "reservation", extended: true, build: newOurs}},
	{"ours with a reservation after the commit", scenario{flaw: "late reservation", extended: true, build: newOurs}},
}

// TestSimulatorCatchesSimplerCaches shows that the schedules are hostile enough. Each rival returns a stale read after
// an acknowledged write within a thousand schedules.
func TestSimulatorCatchesSimplerCaches(t *testing.T) {
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			for seed := range uint64(1000) {
				if out := schedule(t, seed, r.scenario); out.stale > 0 {
					t.Logf("caught by schedule %d: %s", seed+1, out.complaint)
					return
				}
			}
			t.Error("a thousand schedules did not catch it")
		})
	}
}

// TestScheduleRepeats shows that a failing seed can be run again.
func TestScheduleRepeats(t *testing.T) {
	differ := 0
	for seed := range uint64(20) {
		s := scenario{extended: seed%2 == 0, build: newOurs}
		first, repeats := schedule(t, seed, s), false
		for range 3 {
			repeats = repeats || schedule(t, seed, s) == first
		}
		if !repeats {
			differ++
		}
	}
	// Goroutines that wake at the same nanosecond may run in either order, more often while the machine is busy.
	if differ > 5 {
		t.Errorf("%d of 20 seeds had another outcome in three repetitions", differ)
	}
	t.Logf("%d of 20 seeds had another outcome in three repetitions", differ)
}
