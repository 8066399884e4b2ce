package cache

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
)

// cutter is a client whose connections a test can cut.
type cutter struct {
	mu    sync.Mutex
	conns []net.Conn
}

func cuttable(t *testing.T, address string) (rueidis.Client, *cutter) {
	t.Helper()
	c := &cutter{}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, ForceSingleClient: true, DialCtxFn: c.dial,
		Dialer: net.Dialer{Timeout: time.Second}, ConnWriteTimeout: time.Second, PipelineMultiplex: 1,
		ReadBufferEachConn: 32 << 10, WriteBufferEachConn: 32 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, c
}

func (c *cutter) dial(ctx context.Context, address string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
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

// step is a read of a version, a commit of one, or the invalidation that follows the commit.
type step struct {
	kind    byte // 'r', 'c', 'i'
	version int
}

func (h *history) add(key string, client int, call, ret time.Duration, s step) {
	h.mu.Lock()
	h.events[key] = append(h.events[key], porcupine.Operation{ClientId: client, Call: int64(call), Return: int64(ret), Input: s})
	h.mu.Unlock()
}

// promise is the cache's contract as a state machine: a read returns no less than the last version whose invalidation has
// taken effect and no more than the last committed one. In between, while a write is not acknowledged, either is right.
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

// TestNoStaleReadUnderRealFaults runs readers and writers against a real server that is killed, paused and cut off, and has
// porcupine hold each key's history to the promise.
func TestNoStaleReadUnderRealFaults(t *testing.T) {
	server := startRedis(t)
	db := newTable()
	const keys = 8
	for i := range keys {
		db.set(fmt.Sprint("key", i), 0)
	}
	h := &history{start: time.Now(), events: map[string][]porcupine.Operation{}}
	var nodes []*Cache[string, int]
	var cutters []*cutter
	for range 3 {
		client, cut := cuttable(t, server.address)
		c, err := New(client, "faults", db.load, &Options[string, int]{
			TTL: 2 * time.Second, L1Lease: 300 * time.Millisecond, StoreTimeout: 100 * time.Millisecond, FillWait: 100 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		running(t, c)
		nodes, cutters = append(nodes, c), append(cutters, cut)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var acked, unacked, failed, reads atomic.Int64
	for client := range 9 {
		c, rng := nodes[client%3], rand.New(rand.NewPCG(1, uint64(client)))
		group.Go(func() {
			for rest(ctx, time.Duration(rng.IntN(6))*time.Millisecond) {
				key := fmt.Sprint("key", rng.IntN(keys))
				call := time.Since(h.start)
				v, err := c.Get(ctx, key)
				if err != nil {
					failed.Add(1)
					continue
				}
				reads.Add(1)
				h.add(key, client, call, time.Since(h.start), step{'r', v})
			}
		})
	}
	// One writer for each pair of keys, so that the order of versions is that of commits.
	for client := range keys / 2 {
		c, rng := nodes[client%3], rand.New(rand.NewPCG(2, uint64(client)))
		group.Go(func() {
			version := 0
			for rest(ctx, time.Duration(rng.IntN(120))*time.Millisecond) {
				key := fmt.Sprint("key", 2*client+rng.IntN(2))
				version++
				call := time.Since(h.start)
				at := db.set(key, version)
				committed := time.Since(h.start)
				h.add(key, 100+client, call, committed, step{'c', version})
				patience, stop := context.WithTimeout(ctx, 2*time.Second)
				err := c.Invalidate(patience, at, key)
				stop()
				ret := time.Since(h.start)
				if err != nil {
					unacked.Add(1)
					ret = time.Hour
				} else {
					acked.Add(1)
				}
				h.add(key, 100+client, committed, ret, step{'i', version})
			}
		})
	}
	faults := rand.New(rand.NewPCG(3, 3))
	kills, pauses, cuts := 0, 0, 0
	for rest(ctx, time.Duration(300+faults.IntN(700))*time.Millisecond) {
		switch faults.IntN(4) {
		case 0:
			server.kill()
			rest(ctx, time.Duration(faults.IntN(400))*time.Millisecond)
			server.start()
			kills++
		case 1:
			server.pause()
			rest(ctx, time.Duration(faults.IntN(900))*time.Millisecond)
			server.carryOn()
			pauses++
		default:
			cutters[faults.IntN(3)].cut()
			cuts++
		}
	}
	group.Wait()
	hits, refused, flushes, expelled := uint64(0), uint64(0), uint64(0), uint64(0)
	for _, c := range nodes {
		s := c.Stats()
		hits += s.HitsL1 + s.HitsL2
		refused += s.RefusedByToken + s.RefusedByEpoch + s.RefusedByGeneration
		flushes += s.Flushes
		expelled += s.Expelled
	}
	t.Logf("%d kills, %d pauses, %d cuts; %d reads (%d failed), %d loads, %d writes acknowledged, %d not; %d fills refused, %d flushes, %d expelled",
		kills, pauses, cuts, reads.Load(), failed.Load(), db.loads.Load(), acked.Load(), unacked.Load(), refused, flushes, expelled)
	if acked.Load() == 0 || kills+pauses+cuts == 0 {
		t.Error("the run shows nothing")
	}
	for key, events := range h.events {
		if result := porcupine.CheckOperationsTimeout(promise, events, time.Minute); result != porcupine.Ok {
			t.Errorf("%s: %d operations: %v", key, len(events), result)
		}
	}
}

func TestCheckerSeesAStaleRead(t *testing.T) {
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

// TestReadHeavyHitRate is the other half of the promise: being right does not cost the hits.
func TestReadHeavyHitRate(t *testing.T) {
	server := startRedis(t)
	db := newTable()
	const keys = 500
	for i := range keys {
		db.set(fmt.Sprint("key", i), 0)
	}
	var nodes []*Cache[string, int]
	for range 3 {
		c, err := New(connect(t, server.address), "hits", db.load, nil)
		if err != nil {
			t.Fatal(err)
		}
		running(t, c)
		nodes = append(nodes, c)
	}
	var group sync.WaitGroup
	for client := range 6 {
		c, rng := nodes[client%3], rand.New(rand.NewPCG(4, uint64(client)))
		zipf := rand.NewZipf(rng, 1.1, 1, keys-1)
		group.Go(func() {
			for i := range 20_000 {
				key := fmt.Sprint("key", zipf.Uint64())
				if i%500 == 499 { // 0.2 % writes, of the hottest keys most
					if err := c.Invalidate(context.Background(), db.set(key, i), key); err != nil {
						t.Error(err)
					}
				} else if _, err := c.Get(context.Background(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	var sum Stats
	for _, c := range nodes {
		s := c.Stats()
		sum.HitsL1 += s.HitsL1
		sum.HitsL2 += s.HitsL2
		sum.Invalidations += s.Invalidations
	}
	reads := 6 * 20_000 * 499 / 500
	rate := 1 - float64(db.loads.Load())/float64(reads)
	t.Logf("%d reads, %d writes of %d keys on 3 nodes: %.2f %% hits (%.2f %% in the process), %d loads",
		reads, sum.Invalidations, keys, 100*rate, 100*float64(sum.HitsL1)/float64(reads), db.loads.Load())
	if rate < 0.95 {
		t.Errorf("hit rate %.3f", rate)
	}
}
