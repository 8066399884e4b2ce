package cache

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/maypok86/otter/v2"
)

func benchCache(b *testing.B, address string) *Cache[string, int] {
	db := newTable()
	for i := range readers {
		db.set(strconv.Itoa(i), i)
	}
	c, err := New(connect(b, address), "bench", db.load, nil)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func warm(b *testing.B, c *Cache[string, int]) {
	for i := range 2 * readers {
		if _, err := c.Get(context.Background(), strconv.Itoa(i%readers)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkL1 sets a hit of the first level beside otter alone.
func BenchmarkL1(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		c := benchCache(b, miniredis.RunT(b).Addr())
		running(b, c)
		warm(b, c)
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Get(ctx, "0"); err != nil {
				b.Fatal(err)
			}
		}
		if s := c.Stats(); s.HitsL1 < uint64(b.N)*9/10 {
			b.Fatalf("%+v", s)
		}
	})
	b.Run("otter", func(b *testing.B) {
		c := otter.Must(&otter.Options[string, *int]{MaximumSize: 10_000})
		one := 1
		c.Set("a", &one)
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := c.GetIfPresent("a"); !ok {
				b.Fatal("gone")
			}
		}
	})
}

// BenchmarkL2 sets a hit of the second level beside a bare GET of the same server: by one reader, and by so many that the
// server is busy.
func BenchmarkL2(b *testing.B) {
	server := startRedis(b)
	c := benchCache(b, server.address) // without Run: every read asks the store
	warm(b, c)
	ours := func(key string) error { _, err := c.Get(context.Background(), key); return err }
	client := connect(b, server.address)
	for i := range readers {
		set := client.B().Set().Key(strconv.Itoa(i)).Value("1").Build()
		if err := client.Do(context.Background(), set).Error(); err != nil {
			b.Fatal(err)
		}
	}
	get := func(key string) error {
		return client.Do(context.Background(), client.B().Get().Key(key).Build()).Error()
	}
	b.Run("ours", func(b *testing.B) { one(b, ours) })
	b.Run("GET", func(b *testing.B) { one(b, get) })
	b.Run("many/ours", func(b *testing.B) { many(b, ours) })
	b.Run("many/GET", func(b *testing.B) { many(b, get) })
	if s := c.Stats(); s.Loads > readers*11/10 {
		b.Errorf("these were not all hits: %+v", s)
	}
}

// readers is how many goroutines make a server busy, each with a key of its own.
const readers = 64

func one(b *testing.B, read func(key string) error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := read("0"); err != nil {
			b.Fatal(err)
		}
	}
}

func many(b *testing.B, read func(key string) error) {
	b.SetParallelism(readers / runtime.GOMAXPROCS(0))
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		key := strconv.Itoa(int(next.Add(1)) % readers)
		for pb.Next() {
			if err := read(key); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkInvalidate is the price of the promise: script, list of nodes, answers of two other nodes.
func BenchmarkInvalidate(b *testing.B) {
	server := startRedis(b)
	var c *Cache[string, int]
	for range 3 {
		c = benchCache(b, server.address)
		running(b, c)
	}
	ctx := context.Background()
	if err := c.Invalidate(ctx, Position{}, "a"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Invalidate(ctx, Position{}, "a"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestHitInTheProcessAllocatesNothing(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, _ := embedded(t, db, nil)
	running(t, c)
	for range 2 {
		get(t, c, "a")
	}
	ctx := context.Background()
	before := c.Stats().HitsL1
	if n := testing.AllocsPerRun(1000, func() { c.Get(ctx, "a") }); n != 0 {
		t.Errorf("%g allocations", n)
	}
	if c.Stats().HitsL1-before < 900 {
		t.Error("the hits were not in the process")
	}
}
