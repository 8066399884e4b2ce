package cache

import (
	"context"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/maypok86/otter/v2"
)

func benchCache(b *testing.B, address string) *Cache[string, int] {
	db := newTable()
	db.set("a", 1)
	c, err := New(connect(b, address), "bench", db.load, nil)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func warm(b *testing.B, c *Cache[string, int]) {
	for range 2 {
		if _, err := c.Get(context.Background(), "a"); err != nil {
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
			if _, err := c.Get(ctx, "a"); err != nil {
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

// BenchmarkL2 sets a hit of the second level beside a bare GET of the same server.
func BenchmarkL2(b *testing.B) {
	server := startRedis(b)
	b.Run("ours", func(b *testing.B) {
		c := benchCache(b, server.address) // without Run: every read asks the store
		warm(b, c)
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Get(ctx, "a"); err != nil {
				b.Fatal(err)
			}
		}
		if s := c.Stats(); s.HitsL2 < uint64(b.N)*9/10 {
			b.Fatalf("%+v", s)
		}
	})
	b.Run("GET", func(b *testing.B) {
		client := connect(b, server.address)
		ctx := context.Background()
		if err := client.Do(ctx, client.B().Set().Key("a").Value("1").Build()).Error(); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.Do(ctx, client.B().Get().Key("a").Build()).ToString(); err != nil {
				b.Fatal(err)
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
