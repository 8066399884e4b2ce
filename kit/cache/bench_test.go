package cache

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"
)

func benchCache(b *testing.B, client rueidis.Client) *Cache[string, int] {
	db := newTable()
	for i := range readers {
		db.set(strconv.Itoa(i), i)
	}
	return newCache(b, client, "bench", db, nil)
}

func warm(b *testing.B, c *Cache[string, int]) {
	for i := range 2 * readers {
		if _, err := c.Get(context.Background(), strconv.Itoa(i%readers)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkL1 compares a hit in level 1 with otter alone.
func BenchmarkL1(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		c := benchCache(b, startServer(b).Client())
		startRun(b, c)
		warm(b, c)
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Get(ctx, "0"); err != nil {
				b.Fatal(err)
			}
		}
		if s := c.Stats(); s.HitsL1 < uint64(b.N)*9/10 {
			b.Fatalf("these were not hits in level 1: %+v", s)
		}
	})
	b.Run("otter", func(b *testing.B) {
		c := otter.Must(&otter.Options[string, *int]{MaximumSize: 10_000})
		one := 1
		c.Set("a", &one)
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := c.GetIfPresent("a"); !ok {
				b.Fatal("the value is gone")
			}
		}
	})
}

// BenchmarkL2 compares a hit in level 2 with a plain GET of the same server: with one reader, and with enough readers
// to keep the server busy.
func BenchmarkL2(b *testing.B) {
	client := startServer(b).Client()
	c := benchCache(b, client) // without Run every read asks the store
	warm(b, c)
	ours := func(key string) error { _, err := c.Get(context.Background(), key); return err }
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

// BenchmarkGetMany reads several stored keys at once. Compare the time per key with BenchmarkL2.
func BenchmarkGetMany(b *testing.B) {
	client := startServer(b).Client()
	c := benchCache(b, client)
	warm(b, c)
	for _, n := range []int{1, 10, readers} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = strconv.Itoa(i)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if values, err := c.GetMany(context.Background(), keys); err != nil || len(values) != n {
					b.Fatal(len(values), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
		})
	}
}

// readers is how many goroutines keep a server busy, each with a different key.
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

// BenchmarkInvalidate measures the script, the list of nodes and the acknowledgements of two other nodes.
func BenchmarkInvalidate(b *testing.B) {
	server := startServer(b)
	var c *Cache[string, int]
	for range 3 {
		c = benchCache(b, server.Client())
		startRun(b, c)
	}
	b.Run("with Run", func(b *testing.B) { invalidateLoop(b, c) })
	b.Run("without Run", func(b *testing.B) { invalidateLoop(b, benchCache(b, server.Client())) })
}

func invalidateLoop(b *testing.B, c *Cache[string, int]) {
	ctx := context.Background()
	if err := c.Invalidate(ctx, "a"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Invalidate(ctx, "a"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServerCPU measures what one read costs the server, by its own account of CPU time: a hit in level 2, and a
// plain GET. 64 readers share the connection, as in a busy node.
func BenchmarkServerCPU(b *testing.B) {
	client := startServer(b).Client()
	c := benchCache(b, client) // without Run every read asks the store
	warm(b, c)
	for i := range readers {
		set := client.B().Set().Key(strconv.Itoa(i)).Value("1").Build()
		if err := client.Do(context.Background(), set).Error(); err != nil {
			b.Fatal(err)
		}
	}
	measure := func(b *testing.B, read func(key string) error) {
		begin := serverCPU(b, client)
		many(b, read)
		b.StopTimer()
		b.ReportMetric(float64((serverCPU(b, client)-begin).Nanoseconds())/float64(b.N)/1e3, "server-µs/op")
	}
	b.Run("ours", func(b *testing.B) {
		measure(b, func(key string) error { _, err := c.Get(context.Background(), key); return err })
	})
	b.Run("GET", func(b *testing.B) {
		measure(b, func(key string) error {
			return client.Do(context.Background(), client.B().Get().Key(key).Build()).Error()
		})
	})
}

// serverCPU returns the CPU time that a server has used.
func serverCPU(b *testing.B, client rueidis.Client) (total time.Duration) {
	info, err := client.Do(context.Background(), client.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if _, text, ok := strings.Cut(line, name); ok {
				seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
				if err != nil {
					b.Fatal(err)
				}
				total += time.Duration(seconds * 1e9)
			}
		}
	}
	return total
}
