package cart_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cart"
	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// connect returns a client of a private server. A service calls rueidis.NewClient with the options of
// rueidis.ParseURL(os.Getenv("REDIS_URL")).
func connect() (client rueidis.Client, stop func()) {
	server, stop := redistest.StartExample()
	return server.Client(), stop
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A double click sends an operation twice. It counts once.
func Example() {
	client, stop := connect()
	defer stop()
	carts, err := cart.New(client, nil)
	must(err)
	ctx := context.Background()
	c := carts.Of("user:ann")

	for _, op := range []string{"click-1", "click-1", "click-2"} {
		n, err := c.Add(ctx, "book", 1, op)
		fmt.Println(n, err)
	}
	must(c.Remove(ctx, "pen", ""))
	fmt.Println(c.Quantities(ctx))
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 2 <nil>
	// map[book:2] <nil>
}

// ExampleCart_Merge moves the guest's cart into the user's at login.
func ExampleCart_Merge() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	carts, err := cart.New(client, nil)
	must(err)
	ctx := context.Background()

	s := sessions.Open("")
	id, err := s.Ensure(ctx) // a guest's cart needs a stored session
	must(err)
	guest := carts.Of("guest:" + id)
	_, err = guest.Add(ctx, "book", 2, "")
	must(err)

	must(s.Login(ctx, "ann")) // the ID stays
	user := carts.Of("user:ann")
	for range 2 {
		dropped, err := user.Merge(ctx, guest)
		fmt.Println(len(dropped), err)
	}
	fmt.Println(user.Quantities(ctx))
	fmt.Println(guest.Quantities(ctx))
	// Output:
	// 0 <nil>
	// 0 <nil>
	// map[book:2] <nil>
	// map[] <nil>
}

// ExampleCart_RemoveOrdered removes what was ordered. What was added after the order stays.
func ExampleCart_RemoveOrdered() {
	client, stop := connect()
	defer stop()
	carts, err := cart.New(client, nil)
	must(err)
	ctx := context.Background()
	c := carts.Of("user:ann")
	_, err = c.Add(ctx, "book", 2, "")
	must(err)

	ordered, err := c.Quantities(ctx)
	must(err)
	_, err = c.Add(ctx, "book", 1, "") // in another tab
	must(err)
	must(c.RemoveOrdered(ctx, ordered, "order-7"))
	must(c.RemoveOrdered(ctx, ordered, "order-7")) // a retry
	fmt.Println(c.Quantities(ctx))
	// Output: map[book:1] <nil>
}
