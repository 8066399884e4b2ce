package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cache"
)

// store stands for the Redis that all nodes share.
func store() (client rueidis.Client, stop func()) {
	server, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	client, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		panic(err)
	}
	return client, func() { client.Close(); server.Close() }
}

// A price list behind a cache: read, write, read again.
func Example() {
	client, stop := store()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())

	var price atomic.Int64 // stands for the database
	price.Store(100)
	load := func(ctx context.Context, sku string, need cache.Position) (cache.Loaded[int64], error) {
		fmt.Println("load", sku)
		return cache.Loaded[int64]{Value: price.Load()}, nil
	}
	prices, err := cache.New(client, "price", load, &cache.Options[string, int64]{TTL: time.Minute})
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- prices.Run(ctx) }()

	for range 2 {
		p, _ := prices.Get(ctx, "shoe")
		fmt.Println("price", p)
	}
	price.Store(90) // the transaction commits
	if err := prices.Invalidate(ctx, cache.Position{}, "shoe"); err != nil {
		panic(err) // do not acknowledge the write
	}
	p, _ := prices.Get(ctx, "shoe")
	fmt.Println("price", p)

	cancel()
	fmt.Println(<-done)
	// Output:
	// load shoe
	// price 100
	// price 100
	// load shoe
	// price 90
	// <nil>
}

// What does not exist is remembered too.
func ExampleCache_Get_notFound() {
	client, stop := store()
	defer stop()
	load := func(context.Context, int, cache.Position) (cache.Loaded[string], error) {
		fmt.Println("load")
		return cache.Loaded[string]{}, cache.ErrNotFound // or what wraps it
	}
	users, err := cache.New(client, "user", load, nil)
	if err != nil {
		panic(err)
	}
	for range 2 {
		_, err := users.Get(context.Background(), 7)
		fmt.Println(errors.Is(err, cache.ErrNotFound))
	}
	// Output:
	// load
	// true
	// true
}

// A replica that lags behind the write fills nothing: the loader is told what it has to reach.
func ExamplePosition() {
	client, stop := store()
	defer stop()
	ctx := context.Background()
	replica := cache.Position{Timeline: 1, Offset: 0x3000060}
	load := func(_ context.Context, sku string, need cache.Position) (cache.Loaded[string], error) {
		if replica.Before(need) {
			fmt.Println("replica at", replica, "is before", need)
			return cache.Loaded[string]{Value: "new", At: cache.Primary}, nil
		}
		return cache.Loaded[string]{Value: "old", At: replica}, nil
	}
	names, err := cache.New(client, "name", load, nil)
	if err != nil {
		panic(err)
	}
	commit := cache.Position{Timeline: 1, Offset: 0x30000a8}
	if err := names.Invalidate(ctx, commit, "shoe"); err != nil {
		panic(err)
	}
	name, err := names.Get(ctx, "shoe")
	fmt.Println(name, err)
	// Output:
	// replica at 1/3000060 is before 1/30000a8
	// new <nil>
}

// A list by category is derived from many rows: its tag drops it.
func ExampleCache_InvalidateTags() {
	client, stop := store()
	defer stop()
	ctx := context.Background()
	load := func(_ context.Context, page string, _ cache.Position) (cache.Loaded[[]string], error) {
		fmt.Println("load", page)
		return cache.Loaded[[]string]{Value: []string{"shoe", "boot"}}, nil
	}
	lists, err := cache.New(client, "list", load, &cache.Options[string, []string]{
		Tags: func(page string) []string { return []string{page[:len("shoes")]} },
	})
	if err != nil {
		panic(err)
	}
	lists.Get(ctx, "shoes/1")
	lists.Get(ctx, "shoes/2")
	lists.Get(ctx, "shoes/1")
	if err := lists.InvalidateTags(ctx, cache.Position{}, "shoes"); err != nil {
		panic(err)
	}
	lists.Get(ctx, "shoes/1")
	// Output:
	// load shoes/1
	// load shoes/2
	// load shoes/1
}

// Inspect says where a key stands, and why.
func ExampleCache_Inspect() {
	client, stop := store()
	defer stop()
	ctx := context.Background()
	load := func(context.Context, string, cache.Position) (cache.Loaded[int], error) {
		return cache.Loaded[int]{Value: 1}, nil
	}
	c, err := cache.New(client, "stock", load, nil)
	if err != nil {
		panic(err)
	}
	i, _ := c.Inspect(ctx, "shoe")
	fmt.Println(i.Level, "-", i.Why)
	c.Get(ctx, "shoe")
	i, _ = c.Inspect(ctx, "shoe")
	fmt.Println(i.Level, "-", i.Why)
	// Output:
	// none - the first level is bypassed: Run is not running; the store holds nothing of this key
	// store - the first level is bypassed: Run is not running; fresh in the store
}
