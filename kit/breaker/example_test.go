package breaker_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenfold-go/tenfold/kit/breaker"
)

func Example() {
	payments := breaker.New(&breaker.Options{MinCalls: 3})
	pay := func(ctx context.Context) error { return errors.New("payment provider is down") }

	for range 4 {
		err := payments.Do(context.Background(), pay)
		fmt.Println(err, errors.Is(err, breaker.ErrOpen))
	}
	// Output:
	// payment provider is down false
	// payment provider is down false
	// payment provider is down false
	// circuit breaker is open true
}

func ExampleBudget() {
	budget := breaker.NewBudget(0.1)
	tries := 0
	for range 1000 { // a thousand requests to something that always fails
		budget.Request()
		tries++
		for budget.Retry() {
			tries++
		}
	}
	fmt.Println("tries:", tries)
	// Output: tries: 1100
}
