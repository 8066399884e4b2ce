package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/position"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// connect returns a client of the Redis that all nodes share.
func connect() (client rueidis.Client, stop func()) {
	server, stop := redistest.StartExample()
	return server.Client(), stop
}

// A price list behind a cache: read, write, read again.
func Example() {
	client, stop := connect()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())

	var price atomic.Int64 // the database
	price.Store(100)
	load := func(ctx context.Context, sku string) (int64, error) {
		fmt.Println("load", sku)
		return price.Load(), nil
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
	if err := prices.Invalidate(ctx, "shoe"); err != nil {
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

// The cache also remembers that a key does not exist.
func ExampleCache_Get_notFound() {
	client, stop := connect()
	defer stop()
	load := func(context.Context, int) (string, error) {
		fmt.Println("load")
		return "", cache.ErrNotFound // wrapped or not
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

// A page reads many keys at once. What is missing is loaded with one query.
func ExampleCache_GetMany() {
	client, stop := connect()
	defer stop()
	ctx := context.Background()
	load := func(_ context.Context, id int) (string, error) { return fmt.Sprint("item ", id), nil }
	items, err := cache.New(client, "item", load, &cache.Options[int, string]{
		LoadMany: func(_ context.Context, ids []int) (map[int]string, error) {
			fmt.Println("load", ids)
			found := map[int]string{}
			for _, id := range ids {
				if id < 10 { // the others do not exist
					found[id] = fmt.Sprint("item ", id)
				}
			}
			return found, nil
		},
	})
	if err != nil {
		panic(err)
	}
	items.Get(ctx, 1)
	page, err := items.GetMany(ctx, []int{1, 2, 3, 99})
	fmt.Println(len(page), page[3], err)
	// Output:
	// load [2 3 99]
	// 3 item 3 <nil>
}

// A write leaves its result in the cache, so that the next read needs no load.
func ExampleReservation_Set() {
	client, stop := connect()
	defer stop()
	ctx := context.Background()
	price := 100 // the database
	load := func(context.Context, string) (int, error) {
		fmt.Println("load")
		return price, nil
	}
	prices, err := cache.New(client, "price", load, nil)
	if err != nil {
		panic(err)
	}
	reserved := prices.Reserve(ctx, "shoe") // before the transaction begins
	price = 90                              // the transaction commits
	if err := reserved.Set(ctx, 90); err != nil {
		panic(err) // do not acknowledge the write
	}
	fmt.Println(prices.Get(ctx, "shoe"))
	// Output:
	// 90 <nil>
}

// A replica that lags behind the write cannot fill the cache: the loader knows what it has to reach.
func ExampleNewReplicated() {
	client, stop := connect()
	defer stop()
	ctx := context.Background()
	replica := position.Position{Timeline: 1, Offset: 0x3000060}
	load := func(_ context.Context, sku string, needed position.Position) (string, position.Position, error) {
		if replica.Before(needed) {
			fmt.Println("replica at", replica, "is before", needed)
			return "new", position.Primary, nil
		}
		return "old", replica, nil
	}
	names, err := cache.NewReplicated(client, "name", load, nil)
	if err != nil {
		panic(err)
	}
	commit := position.Position{Timeline: 1, Offset: 0x30000a8}
	if err := names.InvalidateAt(ctx, commit, "shoe"); err != nil {
		panic(err)
	}
	name, err := names.Get(ctx, "shoe")
	fmt.Println(name, err)
	// Output:
	// replica at 1/3000060 is before 1/30000a8
	// new <nil>
}

// A list is derived from many rows. Its tag drops it.
func ExampleCache_InvalidateTags() {
	client, stop := connect()
	defer stop()
	ctx := context.Background()
	load := func(_ context.Context, page string) ([]string, error) {
		fmt.Println("load", page)
		return []string{"shoe", "boot"}, nil
	}
	lists, err := cache.New(client, "list", load, &cache.Options[string, []string]{
		Tags: func(page string) []string {
			category, _, _ := strings.Cut(page, "/")
			return []string{category}
		},
	})
	if err != nil {
		panic(err)
	}
	lists.Get(ctx, "shoes/1")
	lists.Get(ctx, "shoes/2")
	lists.Get(ctx, "shoes/1")
	if err := lists.InvalidateTags(ctx, "shoes"); err != nil {
		panic(err)
	}
	lists.Get(ctx, "shoes/1")
	// Output:
	// load shoes/1
	// load shoes/2
	// load shoes/1
}

// Inspect explains where a key is, and why.
func ExampleCache_Inspect() {
	client, stop := connect()
	defer stop()
	ctx := context.Background()
	load := func(context.Context, string) (int, error) { return 1, nil }
	c, err := cache.New(client, "stock", load, nil)
	if err != nil {
		panic(err)
	}
	i, _ := c.Inspect(ctx, "shoe")
	fmt.Println(i.Source, "-", i.Reason)
	c.Get(ctx, "shoe")
	i, _ = c.Inspect(ctx, "shoe")
	fmt.Println(i.Source, "-", i.Reason)
	// Output:
	// loader - level 1 is bypassed: Run is not running; the store has nothing for this key
	// store - level 1 is bypassed: Run is not running; fresh in the store
}
