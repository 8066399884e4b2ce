package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// scenario is what happens in a schedule, apart from the seed.
type scenario struct {
	calm bool   // no faults except replica lag and slow calls
	flaw string // a guard that is left out
	// extended adds reads by GetMany, writes that end with Set, values with different TTLs, and a process that
	// invalidates without Run.
	extended bool
	// onlyJob lets only a process without Run invalidate.
	onlyJob bool
	// stalling lets the store stall all the time.
	stalling bool
	build    func(*simNode, func() uint64) cached
}

// outcome is the result of one schedule.
type outcome struct {
	stale, reads, loads, failed int
	sets, evicted               int
	trace                       uint64
	complaint                   string
}

// schedule runs readers, writers and a relay in one world. It counts the reads that returned an older version than the
// one that was acknowledged before they began.
func schedule(t *testing.T, seed uint64, s scenario) (out outcome) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(seed, s)
		ctx, cancel := context.WithTimeout(context.Background(), simTime)
		defer cancel()
		var actors sync.WaitGroup
		var nodes []*simNode // guarded by w.mu
		keys := []string{"price", "list"}
		build := func(ctx context.Context, id string) (*simNode, context.Context) {
			life, kill := context.WithCancel(ctx)
			n := &simNode{world: w, kill: kill, id: id}
			n.cached = s.build(n, func() uint64 { return w.dice(n.id, "draw").Uint64() })
			w.locked(func() { nodes = append(nodes, n) })
			return n, life
		}
		start := func(i int) {
			n, life := build(ctx, fmt.Sprint("node", i))
			actors.Go(func() { n.Run(life) })
			for r := range 3 {
				rng := rand.New(rand.NewPCG(seed, uint64(2000+10*i+r)))
				actors.Go(func() { n.read(life, rng, keys) })
			}
		}
		for i := range 3 {
			start(i)
		}
		if s.extended || s.onlyJob {
			build(ctx, "job") // it invalidates, but does not run the cache
		}
		for i := range 2 {
			rng := rand.New(rand.NewPCG(seed, uint64(3000+i)))
			actors.Go(func() { w.writer(ctx, i, rng, keys, func() []*simNode { return nodes }) })
		}
		rng := rand.New(rand.NewPCG(seed, 4000))
		actors.Go(func() { w.relay(ctx, rng, func() []*simNode { return nodes }) })
		if s.stalling {
			actors.Go(func() { w.stalls(ctx) })
		}
		if !s.calm {
			actors.Go(func() { w.faults(ctx, func() []*simNode { return nodes }) })
			actors.Go(func() { // one node is killed, and later replaced by an empty one
				if !sleep(ctx, w.dice("kill", "").upTo(simTime)) {
					return
				}
				w.locked(func() { nodes[0].dead = true })
				nodes[0].kill()
				if sleep(ctx, 100*time.Millisecond) {
					start(3)
				}
			})
		}
		actors.Wait()
		time.Sleep(10 * time.Second) // late requests and messages arrive
		w.locked(func() { out = w.outcome })
		for _, n := range nodes {
			n.kill()
			if c, ok := n.cached.(*Cache[string, int]); ok {
				out.sets += int(c.Stats().Sets)
				out.evicted += int(c.Stats().NodesEvicted)
			}
		}
	})
	return out
}

func (n *simNode) read(ctx context.Context, rng *rand.Rand, keys []string) {
	for sleep(ctx, time.Duration(rng.Int64N(int64(60*time.Millisecond)))) {
		key := keys[rng.IntN(len(keys))]
		timeout := time.Second
		if rng.IntN(5) == 0 {
			timeout = 60 * time.Millisecond // less than StoreTimeout
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		if c, ours := n.cached.(*Cache[string, int]); ours && n.extended && n.dice(n.id, "many").oneIn(3) {
			n.readMany(ctx, c, keys)
		} else {
			n.readOne(ctx, key)
		}
		cancel()
	}
}

func (n *simNode) readOne(ctx context.Context, key string) {
	began := time.Since(n.start)
	var floor int
	n.locked(func() { floor = n.acked[key] })
	version, err := n.Get(ctx, key)
	n.locked(func() { n.check(key, began, floor, version, err) })
}

func (n *simNode) readMany(ctx context.Context, c *Cache[string, int], keys []string) {
	began := time.Since(n.start)
	floors := map[string]int{}
	n.locked(func() {
		for _, key := range keys {
			floors[key] = n.acked[key]
		}
	})
	versions, err := c.GetMany(ctx, keys)
	n.locked(func() {
		for _, key := range keys {
			if version, ok := versions[key]; ok {
				n.check(key, began, floors[key], version, nil)
			} else if err != nil {
				n.check(key, began, floors[key], 0, err)
			}
		}
	})
}

// writer commits and invalidates. At times it dies in between.
func (w *world) writer(ctx context.Context, id int, rng *rand.Rand, keys []string, nodes func() []*simNode) {
	for sleep(ctx, time.Duration(rng.Int64N(int64(400*time.Millisecond)))) {
		key := keys[rng.IntN(len(keys))]
		if d := w.dice("set", fmt.Sprint(id)); w.extended && d.oneIn(2) {
			w.writeAndSet(ctx, d, nodes, key)
			continue
		}
		s := w.write(key)
		if rng.IntN(8) == 0 {
			continue
		}
		w.deliver(ctx, rng, nodes, s)
	}
}

// writeAndSet commits and leaves the new version in the cache. At times there is a long pause between the two.
func (w *world) writeAndSet(ctx context.Context, d dice, nodes func() []*simNode, key string) {
	var c *Cache[string, int]
	w.locked(func() { all := nodes(); c = all[d.IntN(len(all))].cached.(*Cache[string, int]) })
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := c.Reserve(ctx, key)
	s := w.write(key)
	if d.oneIn(2) {
		sleep(ctx, d.upTo(600*time.Millisecond))
	}
	if w.flaw == "late reservation" {
		r = c.Reserve(ctx, key)
	}
	if r.Set(position.WithCommitted(ctx, s.at), s.ver) == nil {
		w.acknowledge(s)
	}
}

// relay delivers what writers have left behind.
func (w *world) relay(ctx context.Context, rng *rand.Rand, nodes func() []*simNode) {
	for sleep(ctx, 300*time.Millisecond) {
		var open []simWrite
		w.locked(func() { open = slices.Clone(w.outbox) })
		for _, s := range open {
			w.deliver(ctx, rng, nodes, s)
		}
	}
}

func (w *world) deliver(ctx context.Context, rng *rand.Rand, nodes func() []*simNode, s simWrite) {
	var n *simNode
	w.locked(func() {
		all := nodes()
		n = all[rng.IntN(len(all))]
		if w.onlyJob {
			n = all[slices.IndexFunc(all, func(n *simNode) bool { return n.id == "job" })]
		}
	})
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var err error
	if s.key == "list" && rng.IntN(2) == 0 {
		err = n.InvalidateTagsAt(ctx, s.at, "tag")
	} else {
		err = n.InvalidateAt(ctx, s.at, s.key)
	}
	if err == nil {
		w.acknowledge(s)
	}
}

// failingSeeds are schedules that find a mistake of the past. They belong to this simulator: after a change of its
// draws, put the mistake back in and search for new seeds.
var failingSeeds = []uint64{
	// A join that was repeated under the same name added an evicted node again. Earlier versions of the simulator, with
	// other draws, found it with these seeds.
	10203, 19177, 31485,
}

func TestFailingSeedsStayFixed(t *testing.T) {
	for _, seed := range failingSeeds {
		if out := schedule(t, seed, scenario{build: newOurs}); out.stale > 0 {
			t.Errorf("seed %d: %s", seed, out.complaint)
		}
	}
}

// TestNoStaleReadInAnySchedule tests the promise of the package: after Invalidate or Set has returned nil, no read
// returns an older version, whatever fails. It runs as many schedules as fit into 20 seconds. TENFOLD_SOAK=N runs N
// schedules, and TENFOLD_SOAK=1 runs a hundred thousand.
func TestNoStaleReadInAnySchedule(t *testing.T) {
	var seeds, reads, loads, failed, stale, sets, limit atomic.Int64
	budget := time.Now().Add(20 * time.Second)
	limit.Store(100_000)
	soak := os.Getenv("TENFOLD_SOAK") != ""
	if n := int64(0); soak {
		if fmt.Sscan(os.Getenv("TENFOLD_SOAK"), &n); n > 1 {
			limit.Store(n)
		}
	}
	t.Run("schedules", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for !t.Failed() && (soak || time.Now().Before(budget)) {
					seed := seeds.Add(1)
					if seed > limit.Load() {
						return
					}
					out := schedule(t, uint64(seed), scenario{extended: seed%2 == 0, build: newOurs})
					reads.Add(int64(out.reads))
					loads.Add(int64(out.loads))
					failed.Add(int64(out.failed))
					stale.Add(int64(out.stale))
					sets.Add(int64(out.sets))
					if out.stale > 0 {
						t.Errorf("seed %d: %d stale reads: %s", seed, out.stale, out.complaint)
					}
				}
			})
		}
	})
	n := min(seeds.Load(), limit.Load())
	t.Logf("%d schedules, %d reads, %d loads, %d reads failed, %d values set, %d stale",
		n, reads.Load(), loads.Load(), failed.Load(), sets.Load(), stale.Load())
	if sets.Load() == 0 {
		t.Error("no Set stored its value")
	}
}

// TestInvalidateWithoutRunEvictsNoHealthyNode lets only processes without Run invalidate, on a network without faults.
func TestInvalidateWithoutRunEvictsNoHealthyNode(t *testing.T) {
	for seed := range uint64(30) {
		out := schedule(t, seed, scenario{calm: true, onlyJob: true, build: newOurs})
		if out.stale > 0 || out.evicted > 0 {
			t.Errorf("seed %d: %d stale reads, %d nodes evicted: %s", seed, out.stale, out.evicted, out.complaint)
		}
	}
}

// TestStallsEvictNoHealthyNode lets the store stall for 0.4 s again and again, on a network without other faults.
func TestStallsEvictNoHealthyNode(t *testing.T) {
	for seed := range uint64(60) {
		out := schedule(t, seed, scenario{calm: true, stalling: true, onlyJob: seed%2 == 0, build: newOurs})
		if out.stale > 0 || out.evicted > 0 {
			t.Errorf("seed %d: %d stale reads, %d nodes evicted: %s", seed, out.stale, out.evicted, out.complaint)
		}
	}
}
