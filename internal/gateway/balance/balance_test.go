package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type fakeNode struct {
	id       string
	inFlight atomic.Int64
	latency  time.Duration
	share    float64
	weight   float64
}

func (n *fakeNode) ID() string                          { return n.id }
func (n *fakeNode) InFlight() int64                     { return n.inFlight.Load() }
func (n *fakeNode) Latency(time.Duration) time.Duration { return n.latency }
func (n *fakeNode) Share(time.Duration) float64         { return n.share }
func (n *fakeNode) Weight() float64                     { return n.weight }

// fakes returns n equal nodes, as a picker and as a test sees them.
func fakes(n int) ([]Node, []*fakeNode) {
	nodes, fake := make([]Node, n), make([]*fakeNode, n)
	for i := range n {
		fake[i] = &fakeNode{id: fmt.Sprintf("shop-%d", i+1), share: 1, weight: 1}
		nodes[i] = fake[i]
	}
	return nodes, fake
}

// sum returns the function that returns the number of requests in flight on all nodes.
func sum(fake []*fakeNode) func() int64 {
	return func() (total int64) {
		for _, n := range fake {
			total += n.InFlight()
		}
		return total
	}
}

// pickers returns a picker of each algorithm.
func pickers(nodes []Node, total func() int64) map[string]Picker {
	return map[string]Picker{
		"round-robin": RoundRobin(nodes),
		"weighted":    Weighted(nodes),
		"least-conn":  LeastConn(nodes),
		"p2c":         P2C(nodes),
		"hash":        Hash(nodes, total),
	}
}

// only skips all nodes but one.
type only int

func (o only) Skip(i int) bool { return i != int(o) }

func TestAllPickersSkipNodes(t *testing.T) {
	for _, size := range []int{1, 2, 3, 17} {
		nodes, fake := fakes(size)
		for name, p := range pickers(nodes, sum(fake)) {
			for want := range size {
				for range 50 {
					if got := p.Pick(Request{Key: rand.Uint64(), Skip: only(want)}); got != want {
						t.Fatalf("%s of %d: picked %d, only %d was allowed", name, size, got, want)
					}
				}
			}
			if got := p.Pick(Request{Skip: only(-1)}); got != -1 {
				t.Errorf("%s of %d: picked %d, but all nodes were skipped", name, size, got)
			}
			if got := p.Pick(Request{Key: rand.Uint64()}); got < 0 {
				t.Errorf("%s of %d: no node was picked after a pick that skipped all nodes", name, size)
			}
		}
	}
	for name, p := range pickers(nil, func() int64 { return 0 }) {
		if got := p.Pick(Request{}); got != -1 {
			t.Errorf("%s without nodes: picked %d", name, got)
		}
	}
}

// Idle nodes of equal weight get equal shares from every picker; from hash, if the keys are random.
func TestEqualNodesGetEqualShares(t *testing.T) {
	const picks = 40_000
	nodes, fake := fakes(8)
	for name, p := range pickers(nodes, sum(fake)) {
		count := make([]int, len(nodes))
		for range picks {
			i := p.Pick(Request{Key: rand.Uint64()})
			count[i]++
			p.Released(i)
		}
		for i, c := range count {
			if share := float64(c) / picks * 8; math.Abs(share-1) > 0.25 {
				t.Errorf("%s: node %d got %.2f of its share: %v", name, i, share, count)
			}
		}
	}
}

func TestWeightsAreProportionalAndSpread(t *testing.T) {
	nodes, fake := fakes(3)
	fake[0].weight = 5
	p := Weighted(nodes)
	count := make([]int, 3)
	longest, run, last := 0, 0, -1
	for range 7000 {
		i := p.Pick(Request{})
		count[i]++
		if i != last {
			run = 0
		}
		last = i
		run++
		longest = max(longest, run)
	}
	if !slices.Equal(count, []int{5000, 1000, 1000}) {
		for i, want := range []int{5000, 1000, 1000} {
			if d := count[i] - want; d < -1 || d > 1 {
				t.Errorf("shares %v, want 5000, 1000, 1000", count)
			}
		}
	}
	if longest > 5 {
		t.Errorf("%d picks of one node in a row: the picks are not spread evenly", longest)
	}
}

func TestWeightedDoesNotMakeUpForMissedPicks(t *testing.T) {
	nodes, _ := fakes(2)
	p := Weighted(nodes)
	for range 1000 {
		p.Pick(Request{Skip: only(0)})
	}
	count := 0
	for range 10 {
		count += p.Pick(Request{})
	}
	if count < 4 || count > 6 {
		t.Errorf("node 1 got %d of 10 picks after it was skipped for long, want half", count)
	}
}

func TestLeastConnPicksTheLeastLoadedNode(t *testing.T) {
	nodes, fake := fakes(50)
	p := LeastConn(nodes)
	rnd := rand.New(rand.NewPCG(1, 2))
	var busy []int
	for range 5000 {
		if len(busy) > 0 && rnd.IntN(2) == 0 {
			k := rnd.IntN(len(busy))
			i := busy[k]
			busy = slices.Delete(busy, k, k+1)
			fake[i].inFlight.Add(-1)
			p.Released(i)
			continue
		}
		least := slices.MinFunc(fake, func(a, b *fakeNode) int { return int(a.InFlight() - b.InFlight()) }).InFlight()
		i := p.Pick(Request{})
		if got := fake[i].InFlight(); got != least {
			t.Fatalf("picked a node with %d in flight, the least is %d", got, least)
		}
		fake[i].inFlight.Add(1)
		busy = append(busy, i)
	}
}

func TestP2CAvoidsASlowNode(t *testing.T) {
	nodes, fake := fakes(4)
	for _, n := range fake {
		n.latency = 10 * time.Millisecond
	}
	fake[2].latency = 100 * time.Millisecond
	p := P2C(nodes)
	for range 1000 {
		if p.Pick(Request{}) == 2 {
			t.Fatal("a node that is ten times slower was picked in an idle fleet")
		}
	}
	for i, n := range fake { // with ten times the work on the fast nodes, the slow node gets its share
		if i != 2 {
			n.inFlight.Store(30)
		}
	}
	count := 0
	for range 1000 {
		if p.Pick(Request{}) == 2 {
			count++
		}
	}
	if count < 400 {
		t.Errorf("picked %d of 1000 times while the other nodes were busier, want about half", count)
	}
}

func TestP2CUsesAllNodesOfSimilarSpeed(t *testing.T) {
	nodes, fake := fakes(3)
	for i, n := range fake {
		n.latency = time.Duration(10+3*i) * time.Millisecond
	}
	p := P2C(nodes)
	var count [3]int
	for range 3000 {
		count[p.Pick(Request{})]++
	}
	for i, n := range count {
		if n < 800 {
			t.Errorf("the node with %v got %d of 3000 requests", fake[i].latency, n)
		}
	}
}

func TestP2CComparesANodeOfUnknownLatencyByItsRequests(t *testing.T) {
	nodes, fake := fakes(2)
	fake[0].latency = 10 * time.Millisecond
	fake[1].inFlight.Store(1)
	p := P2C(nodes)
	for range 100 {
		if p.Pick(Request{}) == 1 {
			t.Fatal("the node of unknown latency counted as a fast one")
		}
	}
}

func TestWarmingNodeGetsOnlyItsShare(t *testing.T) {
	for name, build := range map[string]func([]Node) Picker{
		"round-robin": RoundRobin, "weighted": Weighted, "p2c": P2C, "least-conn": LeastConn,
		"hash": func(n []Node) Picker { return Hash(n, func() int64 { return 4 }) },
	} {
		nodes, fake := fakes(4)
		for _, n := range fake {
			n.inFlight.Store(1)
		}
		fake[3].share = 0.1
		p := build(nodes)
		count := 0
		for range 10_000 {
			i := p.Pick(Request{Key: rand.Uint64()})
			p.Released(i)
			if i == 3 {
				count++
			}
		}
		if count < 100 || count > 600 { // a tenth of a quarter is 250
			t.Errorf("%s: a node at a tenth of its share got %d of 10,000", name, count)
		}
	}
}

func TestHashKeepsKeysOnTheirNodes(t *testing.T) {
	nodes, fake := fakes(10)
	idle := func() int64 { return 0 }
	before, again, fewer := Hash(nodes, idle), Hash(nodes, idle), Hash(nodes[:9], idle)
	moved := 0
	for range 10_000 {
		key := rand.Uint64()
		was := before.Pick(Request{Key: key})
		if again.Pick(Request{Key: key}) != was {
			t.Fatal("the same key got another node of the same set")
		}
		if is := fewer.Pick(Request{Key: key}); is != was {
			moved++
			if was != 9 {
				t.Fatalf("a key of %s moved, but only %s was removed", fake[was].id, fake[9].id)
			}
		}
	}
	t.Logf("figure: hash-moved one of ten nodes left, keys_moved=%.1f%%", float64(moved)/100)
}

func TestHashBoundsTheLoad(t *testing.T) {
	nodes, fake := fakes(10)
	p := Hash(nodes, sum(fake))
	hot := Key("a popular key")
	for range 1000 {
		fake[p.Pick(Request{Key: hot})].inFlight.Add(1)
	}
	for _, n := range fake {
		if n.InFlight() > 126 {
			t.Errorf("%s holds %d of 1000 requests on 10 nodes, more than a quarter above the mean", n.id, n.InFlight())
		}
	}
}

func TestLatencyFollowsWithinASecondAndDecays(t *testing.T) {
	var l Latency
	if l.At(time.Hour) != 0 {
		t.Error("the zero value has a latency")
	}
	now := time.Duration(0)
	respond := func(n int, d time.Duration) {
		for range n { // a thousand per second
			now += time.Millisecond
			l.Observe(now, d)
		}
	}
	respond(3, time.Second)
	if got := l.At(now); got != 0 {
		t.Errorf("after the first responses of a program that has just started: %v", got)
	}
	respond(1000, 10*time.Millisecond)
	respond(1, 100*time.Millisecond)
	if got := l.At(now); got < 10*time.Millisecond || got > 11*time.Millisecond {
		t.Errorf("after a single slow response: %v", got)
	}
	respond(2000, 100*time.Millisecond)
	if got := l.At(now); got < 80*time.Millisecond {
		t.Errorf("after two seconds of slow responses: %v", got)
	}
	respond(10_000, 10*time.Millisecond)
	if got := l.At(now); got > 50*time.Millisecond || got < 10*time.Millisecond {
		t.Errorf("after ten seconds of fast responses: %v, want about 40ms", got)
	}
	if got := l.At(now + time.Minute); got > time.Millisecond {
		t.Errorf("after a minute without responses: %v, want about 0", got)
	}
	l.Observe(now+time.Minute, 100*time.Millisecond)
	if got := l.At(now + time.Minute); got < 99*time.Millisecond {
		t.Errorf("after a slow response to a rare request: %v", got)
	}
}

func TestPickersAreSafeForConcurrentUse(t *testing.T) {
	nodes, fake := fakes(20)
	for _, p := range pickers(nodes, sum(fake)) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 2000 {
					i := p.Pick(Request{Key: rand.Uint64(), Skip: only(rand.IntN(20))})
					fake[i].inFlight.Add(1)
					fake[i].inFlight.Add(-1)
					p.Released(i)
				}
			})
		}
		wg.Wait()
	}
}

// A pick among ten thousand nodes allocates nothing. BenchmarkPick measures its time.
func TestPickAllocatesNothing(t *testing.T) {
	nodes, fake := fakes(10_000)
	var inFlight atomic.Int64
	inFlight.Store(10_000)
	for _, n := range fake {
		n.inFlight.Store(1)
	}
	for name, p := range pickers(nodes, inFlight.Load) {
		if allocs := testing.AllocsPerRun(100, func() { p.Released(p.Pick(Request{Key: rand.Uint64()})) }); allocs != 0 {
			t.Errorf("%s: %v allocations per pick", name, allocs)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, size := range []int{3, 100, 10_000} {
		nodes, fake := fakes(size)
		for _, n := range fake {
			n.latency = time.Duration(1+rand.IntN(20)) * time.Millisecond
			n.inFlight.Store(int64(rand.IntN(8)))
		}
		total := sum(fake)()
		for name, p := range pickers(nodes, func() int64 { return total }) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Released(p.Pick(Request{Key: rand.Uint64()}))
				}
			})
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	nodes, fake := fakes(10_000)
	b.Run("hash/10000", func(b *testing.B) {
		for b.Loop() {
			Hash(nodes, sum(fake))
		}
	})
	b.Run("least-conn/10000", func(b *testing.B) {
		for b.Loop() {
			LeastConn(nodes)
		}
	})
}
