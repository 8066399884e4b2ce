package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// cached is what the simulator tests: ours, and simpler ones that it has to catch.
type cached interface {
	Get(ctx context.Context, key string) (int, error)
	Invalidate(ctx context.Context, at Position, keys ...string) error
	InvalidateTags(ctx context.Context, at Position, tags ...string) error
	Run(ctx context.Context) error
}

// simNode is one process; a dead one reaches nobody and nobody reads from it.
type simNode struct {
	*world
	cached
	id     string
	dead   bool      // guarded by world.mu
	cutOff time.Time // guarded by world.mu: until then it does not reach the store
	kill   context.CancelFunc
}

// The store that a node's cache sees.

func (n *simNode) look(ctx context.Context, name string, early float64) (answer, bool, error) {
	a, err := call(ctx, n, "look "+name, func() answer { return n.m.look(name, early) })
	return a, a.found, err
}

func (n *simNode) acquire(ctx context.Context, name string, q question) (answer, error) {
	return call(ctx, n, "acquire "+name, func() answer { return n.m.acquire(name, q) })
}

func (n *simNode) fill(ctx context.Context, name string, f filling) (verdict, error) {
	return call(ctx, n, "fill "+name+f.token, func() verdict { return n.m.fill(name, f) })
}

func (n *simNode) release(ctx context.Context, name, token string, backOff time.Duration) error {
	return tell(ctx, n, "release "+token, func() { n.m.release(name, token, backOff) })
}

func (n *simNode) invalidate(ctx context.Context, o object, at Position, message string) error {
	return tell(ctx, n, "invalidate "+message, func() { n.m.invalidate(o, at, message) })
}

func (n *simNode) stamps(ctx context.Context, tags []string, maxLag time.Duration) (string, Position, error) {
	type stamps struct {
		all  string
		need Position
	}
	s, err := call(ctx, n, "stamps", func() (s stamps) { s.all, s.need = n.m.stamps(tags, maxLag); return s })
	return s.all, s.need, err
}

func (n *simNode) inspect(context.Context, string) (record, error) { return record{}, errSim }

func (n *simNode) join(ctx context.Context, node string) (map[string]bool, error) {
	return call(ctx, n, "join", func() map[string]bool { return n.m.join(node) })
}

func (n *simNode) members(ctx context.Context) (map[string]bool, error) {
	return call(ctx, n, "members", func() map[string]bool { return n.m.members() })
}

func (n *simNode) renew(ctx context.Context, node string) (bool, error) {
	return call(ctx, n, "renew", func() bool { return n.m.list()[node] })
}

func (n *simNode) expel(ctx context.Context, nodes ...string) error {
	return tell(ctx, n, "expel", func() { n.m.expel(nodes...) })
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

// ours is the production code on the simulated store.
func ours(n *simNode, draw func() uint64) cached {
	o := &Options[string, int]{
		TTL: 1500 * time.Millisecond, Stale: time.Second, L1TTL: time.Second, L1Lease: 400 * time.Millisecond, L1Entries: 100,
		FillLease: 300 * time.Millisecond, FillWait: 200 * time.Millisecond, LoadTimeout: time.Second, MaxLag: simLagMost,
		StoreTimeout: 100 * time.Millisecond, Retry: 100 * time.Millisecond,
		Tags: func(key string) []string {
			if key == "list" {
				return []string{"tag"}
			}
			return nil
		},
	}
	checked, err := o.withDefaults()
	if err != nil {
		panic(err)
	}
	c, err := assemble[string, int](n, "sim", n.load, checked)
	if err != nil {
		panic(err)
	}
	c.draw = draw
	return c
}

// outcome is what one schedule came to.
type outcome struct {
	stale, reads, loads, failed int
	trace                       uint64
	complaint                   string
}

// schedule lets readers, writers and a relay loose on one world and counts the reads that returned less than what had been
// acknowledged before they began.
func schedule(t *testing.T, seed uint64, calm bool, flaw string, build func(*simNode, func() uint64) cached) (out outcome) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(seed, calm, flaw)
		ctx, cancel := context.WithTimeout(context.Background(), simTime)
		defer cancel()
		var actors sync.WaitGroup
		var nodes []*simNode // guarded by w.mu
		keys := []string{"price", "list"}
		start := func(i int) {
			life, kill := context.WithCancel(ctx)
			n := &simNode{world: w, kill: kill, id: fmt.Sprint("node", i)}
			n.cached = build(n, func() uint64 { return w.dice(n.id, "draw").Uint64() })
			w.locked(func() { nodes = append(nodes, n) })
			actors.Go(func() { n.Run(life) })
			for r := range 3 {
				rng := rand.New(rand.NewPCG(seed, uint64(2000+10*i+r)))
				actors.Go(func() { n.read(life, rng, keys) })
			}
		}
		for i := range 3 {
			start(i)
		}
		for i := range 2 {
			rng := rand.New(rand.NewPCG(seed, uint64(3000+i)))
			actors.Go(func() { w.writer(ctx, rng, keys, func() []*simNode { return nodes }) })
		}
		rng := rand.New(rand.NewPCG(seed, 4000))
		actors.Go(func() { w.relay(ctx, rng, func() []*simNode { return nodes }) })
		if !calm {
			actors.Go(func() { w.trouble(ctx, func() []*simNode { return nodes }) })
			actors.Go(func() { // one node is killed, and later replaced by an empty one
				if !rest(ctx, w.dice("kill", "").upTo(simTime)) {
					return
				}
				w.locked(func() { nodes[0].dead = true })
				nodes[0].kill()
				if rest(ctx, 100*time.Millisecond) {
					start(3)
				}
			})
		}
		actors.Wait()
		time.Sleep(10 * time.Second) // what is still on its way lands
		w.locked(func() { out = outcome{w.stale, w.reads, w.loads, w.failed, w.trace, w.complaint} })
	})
	return out
}

func (n *simNode) read(ctx context.Context, rng *rand.Rand, keys []string) {
	for rest(ctx, time.Duration(rng.Int64N(int64(60*time.Millisecond)))) {
		key := keys[rng.IntN(len(keys))]
		began := time.Since(n.start)
		var floor int
		n.locked(func() { floor = n.acked[key] })
		most := time.Second
		if rng.IntN(5) == 0 {
			most = 60 * time.Millisecond // less than StoreTimeout
		}
		patience, cancel := context.WithTimeout(ctx, most)
		ver, err := n.Get(patience, key)
		cancel()
		n.locked(func() {
			n.reads++
			n.trace += uint64(ver+1) * uint64(time.Since(n.start)+began)
			switch {
			case err != nil:
				n.failed++
			case ver < floor:
				n.stale++
				if n.complaint == "" {
					n.complaint = fmt.Sprintf("read of %s from %v to %v: version %d, though %d was acknowledged before", key, began, time.Since(n.start), ver, floor)
				}
			}
		})
	}
}

// writer commits and invalidates; now and then it dies in between.
func (w *world) writer(ctx context.Context, rng *rand.Rand, keys []string, nodes func() []*simNode) {
	for rest(ctx, time.Duration(rng.Int64N(int64(400*time.Millisecond)))) {
		s := w.write(keys[rng.IntN(len(keys))])
		if rng.IntN(8) == 0 {
			continue
		}
		w.deliver(ctx, rng, nodes, s)
	}
}

// relay delivers what writers have left behind.
func (w *world) relay(ctx context.Context, rng *rand.Rand, nodes func() []*simNode) {
	for rest(ctx, 300*time.Millisecond) {
		var open []simWrite
		w.locked(func() { open = slices.Clone(w.outbox) })
		for _, s := range open {
			w.deliver(ctx, rng, nodes, s)
		}
	}
}

func (w *world) deliver(ctx context.Context, rng *rand.Rand, nodes func() []*simNode, s simWrite) {
	var n *simNode
	w.locked(func() { all := nodes(); n = all[rng.IntN(len(all))] })
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var err error
	if s.key == "list" && rng.IntN(2) == 0 {
		err = n.InvalidateTags(ctx, s.at, "tag")
	} else {
		err = n.Invalidate(ctx, s.at, s.key)
	}
	if err == nil {
		w.acknowledge(s)
	}
}

// failingSeeds are schedules that find a mistake that was made once. They go with this simulator: whoever changes what it draws
// puts the mistake back in and looks for the seeds that find it then.
var failingSeeds = []uint64{
	19177, 31485, // a join that was repeated under the same name put an expelled node back
}

func TestFailingSeedsStayMended(t *testing.T) {
	for _, seed := range failingSeeds {
		if out := schedule(t, seed, false, "", ours); out.stale > 0 {
			t.Errorf("seed %d: %s", seed, out.complaint)
		}
	}
}

// TestNoStaleReadInAnySchedule is the package's promise: after Invalidate has returned nil, no read returns less, whatever
// breaks. As many schedules as fit into 20 seconds; with TENFOLD_SOAK=1 a hundred thousand.
func TestNoStaleReadInAnySchedule(t *testing.T) {
	var seeds, reads, loads, failed, stale, limit atomic.Int64
	budget := time.Now().Add(20 * time.Second)
	limit.Store(100_000)
	soak := os.Getenv("TENFOLD_SOAK") != ""
	t.Run("schedules", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for !t.Failed() && (soak || time.Now().Before(budget)) {
					seed := seeds.Add(1)
					if seed > limit.Load() {
						return
					}
					out := schedule(t, uint64(seed), false, "", ours)
					reads.Add(int64(out.reads))
					loads.Add(int64(out.loads))
					failed.Add(int64(out.failed))
					stale.Add(int64(out.stale))
					if out.stale > 0 {
						t.Errorf("seed %d: %d stale reads: %s", seed, out.stale, out.complaint)
					}
				}
			})
		}
	})
	n := min(seeds.Load(), limit.Load())
	t.Logf("%d schedules, %d reads, %d loads, %d reads failed, %d stale", n, reads.Load(), loads.Load(), failed.Load(), stale.Load())
}
