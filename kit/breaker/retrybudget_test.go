package breaker

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryBudgetIsAShareOfTheRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewRetryBudget(0.1, nil)
		retries := 0
		for range 5000 { // every request fails and wants as many retries as it can get
			b.CountRequest()
			for range 3 {
				if b.TryRetry() {
					retries++
				}
			}
		}
		if retries != 500 {
			t.Errorf("%d retries of 5000 requests, want 500: amplification %.3f", retries, 1+float64(retries)/5000)
		}
	})
}

// TestRetryBudgetHoldsOverManyWindows spends the minimum while there are hardly any requests yet. The budget must
// subtract these retries also after their second has left the window.
func TestRetryBudgetHoldsOverManyWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(900 * time.Millisecond) // the first slot is a short one
		b := NewRetryBudget(0.1, nil)
		requests, retries := 0, 0
		for range 60 * 150 {
			time.Sleep(time.Second / 150)
			b.CountRequest()
			requests++
			for range 3 {
				if b.TryRetry() {
					retries++
				}
			}
			if requests >= 100 && float64(retries) > 0.1*float64(requests) {
				t.Fatalf("%d retries of %d requests", retries, requests)
			}
		}
		if retries < requests*9/100 {
			t.Errorf("only %d retries of %d requests", retries, requests)
		}
	})
}

func TestRetryBudgetHasAMinimumAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			o    *RetryBudgetOptions
			want int
		}{{nil, 10}, {&RetryBudgetOptions{MinRetries: 3, Window: 5 * time.Second}, 3}, {&RetryBudgetOptions{MinRetries: -1}, 0}} {
			b := NewRetryBudget(0.1, c.o)
			spend := func() (n int) {
				for b.TryRetry() {
					n++
				}
				return n
			}
			if n := spend(); n != c.want {
				t.Errorf("%+v: %d retries without a request, want %d", c.o, n, c.want)
			}
			time.Sleep(b.o.Window + time.Second)
			if n := spend(); n != c.want {
				t.Errorf("%+v: %d retries after the window, want %d again", c.o, n, c.want)
			}
		}
		if NewRetryBudget(0, nil).TryRetry() {
			t.Error("a budget with a ratio of 0 allowed a retry")
		}
	})
}
