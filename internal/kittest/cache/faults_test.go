package cache_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/position"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// connections are the connections of a client, which a test can cut.
type connections struct {
	mu    sync.Mutex
	conns []net.Conn
}

// cuttable returns a client whose connections can be cut.
func cuttable(server *redistest.Server) (rueidis.Client, *connections) {
	c := &connections{}
	return server.Client(func(o *rueidis.ClientOption) {
		o.DialCtxFn, o.Dialer, o.ConnWriteTimeout, o.PipelineMultiplex = c.dial, net.Dialer{Timeout: time.Second}, time.Second, 1
	}), c
}

func (c *connections) dial(ctx context.Context, address string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *connections) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// history is what readers and writers of each key did, for porcupine.
type history struct {
	mu     sync.Mutex
	start  time.Time
	events map[string][]porcupine.Operation
}

// step is a read of a version, a commit of one, or the invalidation after the commit.
type step struct {
	kind    byte // 'r', 'c', 'i'
	version int
}

func (h *history) add(key string, client int, call, ret time.Duration, s step) {
	h.mu.Lock()
	o := porcupine.Operation{ClientId: client, Call: int64(call), Return: int64(ret), Input: s}
	h.events[key] = append(h.events[key], o)
	h.mu.Unlock()
}

// promise is the cache's contract as a state machine. A read returns at least the last version whose invalidation has
// taken effect, and at most the last committed version. While a write is not acknowledged, both are right.
var promise = porcupine.Model{
	Init: func() any { return [2]int{} },
	Step: func(state, input, _ any) (bool, any) {
		s, in := state.([2]int), input.(step)
		switch in.kind {
		case 'c':
			return true, [2]int{s[0], in.version}
		case 'i':
			return in.version <= s[1], [2]int{max(s[0], in.version), s[1]}
		}
		return s[0] <= in.version && in.version <= s[1], s
	},
}

// tally counts what happened in a run.
type tally struct{ reads, failed, acknowledged, unconfirmed, sets atomic.Int64 }

const faultKeys = 8

// TestNoStaleReadUnderRealFaults runs readers and writers against a server that is killed, paused and cut off.
// Porcupine checks the history of each key. A third of the writes end with Set, and a third of the invalidations come
// from a process without Run.
func TestNoStaleReadUnderRealFaults(t *testing.T) {
	server := redistest.Start(t)
	db := newTable()
	for i := range faultKeys {
		db.set(fmt.Sprint("key", i), 0)
	}
	h := &history{start: time.Now(), events: map[string][]porcupine.Operation{}}
	var processes []*cache.Cache[string, int]
	var conns []*connections
	for i := range 4 {
		client, c := cuttable(server)
		process, err := cache.New(client, "faults", db.load, &cache.Options[string, int]{
			TTL: 2 * time.Second,
			Tuning: cache.Tuning{
				L1Lease: 300 * time.Millisecond, StoreTimeout: 100 * time.Millisecond, FillWait: 100 * time.Millisecond,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			startRun(t, process)
		}
		processes, conns = append(processes, process), append(conns, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var n tally
	for client := range 9 {
		rng := rand.New(rand.NewPCG(1, uint64(client)))
		group.Go(func() { h.read(ctx, &n, client, processes[client%3], rng) })
	}
	// One writer for each pair of keys, so that the order of versions is the order of commits.
	for client := range faultKeys / 2 {
		rng := rand.New(rand.NewPCG(2, uint64(client)))
		group.Go(func() { h.write(ctx, &n, client, processes, db, rng) })
	}
	faults := causeFaults(ctx, server, conns)
	group.Wait()
	hits, refused, flushes, evicted := uint64(0), uint64(0), uint64(0), uint64(0)
	for _, c := range processes {
		s := c.Stats()
		hits += s.HitsL1 + s.HitsL2
		refused += s.RefusedByToken + s.RefusedByEpoch + s.RefusedByGeneration
		flushes += s.Flushes
		evicted += s.NodesEvicted
		n.sets.Add(int64(s.Sets))
	}
	t.Logf("%s; %d reads (%d failed), %d loads, %d writes acknowledged, %d not, %d values set; "+
		"%d hits, %d fills refused, %d flushes, %d nodes evicted", faults, n.reads.Load(), n.failed.Load(), db.loads.Load(),
		n.acknowledged.Load(), n.unconfirmed.Load(), n.sets.Load(), hits, refused, flushes, evicted)
	if n.acknowledged.Load() == 0 || n.sets.Load() == 0 || faults == (faultCount{}) {
		t.Error("too little happened to show anything")
	}
	for key, events := range h.events {
		if result := porcupine.CheckOperationsTimeout(promise, events, time.Minute); result != porcupine.Ok {
			t.Errorf("%s: %d operations: %v", key, len(events), result)
		}
	}
}

func (h *history) read(ctx context.Context, n *tally, client int, c *cache.Cache[string, int], rng *rand.Rand) {
	for pause(ctx, rng, 6*time.Millisecond) {
		keys := []string{fmt.Sprint("key", rng.IntN(faultKeys))}
		if rng.IntN(4) == 0 {
			keys = append(keys, fmt.Sprint("key", rng.IntN(faultKeys)))
		}
		call := time.Since(h.start)
		values := map[string]int{}
		var err error
		if len(keys) == 1 {
			values[keys[0]], err = c.Get(ctx, keys[0])
		} else {
			values, err = c.GetMany(ctx, keys)
		}
		if err != nil {
			n.failed.Add(1)
			continue
		}
		ret := time.Since(h.start)
		for key, version := range values {
			n.reads.Add(1)
			h.add(key, client, call, ret, step{'r', version})
		}
	}
}

func (h *history) write(
	ctx context.Context, n *tally, client int, processes []*cache.Cache[string, int], db *table, rng *rand.Rand,
) {
	version := 0
	for pause(ctx, rng, 120*time.Millisecond) {
		key := fmt.Sprint("key", 2*client+rng.IntN(2))
		c := processes[client%3]
		if rng.IntN(3) == 0 {
			c = processes[3] // it does not run the cache
		}
		reserved := c.Reserve(ctx, key)
		version++
		call := time.Since(h.start)
		at := db.set(key, version)
		committed := time.Since(h.start)
		h.add(key, 100+client, call, committed, step{'c', version})
		ctx, stop := context.WithTimeout(position.WithCommitted(ctx, at), 2*time.Second)
		var err error
		if rng.IntN(3) == 0 {
			err = reserved.Set(ctx, version)
		} else {
			err = c.Invalidate(ctx, key)
		}
		stop()
		ret := time.Since(h.start)
		if err != nil {
			n.unconfirmed.Add(1)
			ret = time.Hour
		} else {
			n.acknowledged.Add(1)
		}
		h.add(key, 100+client, committed, ret, step{'i', version})
	}
}

type faultCount struct{ kills, pauses, cuts int }

func (c faultCount) String() string {
	return fmt.Sprintf("%d kills, %d pauses, %d cuts", c.kills, c.pauses, c.cuts)
}

// causeFaults kills and pauses the server and cuts connections until ctx ends.
func causeFaults(ctx context.Context, server *redistest.Server, conns []*connections) (n faultCount) {
	rng := rand.New(rand.NewPCG(3, 3))
	for sleep(ctx, time.Duration(300+rng.IntN(700))*time.Millisecond) {
		switch rng.IntN(4) {
		case 0:
			server.Kill()
			pause(ctx, rng, 400*time.Millisecond)
			server.Restart()
			n.kills++
		case 1:
			server.Pause()
			pause(ctx, rng, 900*time.Millisecond)
			server.Resume()
			n.pauses++
		default:
			conns[rng.IntN(len(conns))].cut()
			n.cuts++
		}
	}
	return n
}

// pause sleeps for a random time. It returns false when ctx ends.
func pause(ctx context.Context, rng *rand.Rand, most time.Duration) bool {
	return sleep(ctx, time.Duration(rng.Int64N(int64(most))))
}

func TestPromiseNoticesAStaleRead(t *testing.T) {
	bad := []porcupine.Operation{
		{ClientId: 1, Call: 0, Return: 1, Input: step{'c', 1}}, {ClientId: 1, Call: 1, Return: 2, Input: step{'i', 1}},
		{ClientId: 2, Call: 3, Return: 4, Input: step{'r', 0}},
	}
	if porcupine.CheckOperations(promise, bad) {
		t.Error("a read of the old version after the acknowledgement passes")
	}
	bad[2].Call = 1
	if !porcupine.CheckOperations(promise, bad) {
		t.Error("a read of the old version that began before the acknowledgement does not pass")
	}
}
