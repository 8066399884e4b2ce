package cart_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cart"
)

var (
	client rueidis.Client // of the service
	ctx    = context.Background()
)

// A double click sends an operation twice. It counts once.
func Example() {
	carts, err := cart.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	c := carts.Of("user:ann")
	for _, op := range []string{"click-1", "click-1", "click-2"} {
		n, err := c.Add(ctx, "book", 1, op)
		fmt.Println(n, err) // 1, 1, 2
	}
}

// At login, the guest's cart moves into the user's.
func ExampleCart_Merge() {
	carts, err := cart.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	dropped, err := carts.Of("user:ann").Merge(ctx, carts.Of("guest:AAECAwQFBgcICQoLDA0ODw"))
	fmt.Println(dropped, err)
}

// What was ordered leaves the cart, once per order. What was added after the order stays.
func ExampleCart_RemoveOrdered() {
	carts, err := cart.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	c := carts.Of("user:ann")
	ordered, err := c.Quantities(ctx)
	if err == nil {
		err = c.RemoveOrdered(ctx, ordered, "order-7")
	}
	fmt.Println(err)
}
