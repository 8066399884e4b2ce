package breaker_test

import (
	"context"
	"database/sql"
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

func ExampleDo() {
	database := breaker.New(&breaker.Options{
		IsFailure: func(err error) bool { return !errors.Is(err, sql.ErrNoRows) },
	})
	name, err := breaker.Do(context.Background(), database, func(ctx context.Context) (string, error) {
		return "Ann", nil // for example the result of a query with ctx
	})
	fmt.Println(name, err)
	// Output: Ann <nil>
}

func ExampleRetryBudget() {
	budget := breaker.NewRetryBudget(0.1, nil)
	tries := 0
	for range 1000 { // a thousand requests to a service that always fails
		budget.CountRequest()
		tries++
		for budget.TryRetry() {
			tries++
		}
	}
	fmt.Println("tries:", tries)
	// Output: tries: 1100
}
