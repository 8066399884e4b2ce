package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenfold-go/tenfold/kit/idempotency"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// provider is a payment provider that records charges, and fails on demand.
type provider struct {
	mu      sync.Mutex
	charged map[string]int64 // by reference
	fail    error
	waiting chan struct{} // if not nil: receives once per started charge, which then waits for proceed
	proceed chan struct{}
}

func (p *provider) Charge(_ context.Context, reference string, cents int64) error {
	if p.waiting != nil {
		p.waiting <- struct{}{}
		<-p.proceed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	if p.charged == nil {
		p.charged = map[string]int64{}
	}
	p.charged[reference] = cents
	return nil
}

func (p *provider) failWith(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func TestParallelDuplicatesAreOneOrder(t *testing.T) {
	redis, dir := redistest.Start(t), t.TempDir()
	payments := &provider{}
	var nodes []string
	for range 3 {
		nodes = append(nodes, startShop(t, openShared(t, dir, redis), Options{Payments: payments}))
	}
	v := visit(t, nodes[0])
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("erin"))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`)

	order := orderInParallel(t, v, nodes, 1)
	var list struct{ Orders []Order }
	v.want(http.StatusOK, &list, "GET", "/api/orders", "")
	if len(list.Orders) != 1 {
		t.Errorf("%d orders", len(list.Orders))
	}
	if len(payments.charged) != 1 || payments.charged[order.ID] != 14_40 {
		t.Errorf("charged: %v", payments.charged)
	}
}

func TestKeysAreEachCustomersOwn(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		node := startShop(t, state, Options{})
		ids := map[string]bool{}
		for _, name := range []string{"frank", "grace"} {
			v := visit(t, node)
			v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON(name))
			for _, key := range []string{"a", "b", "a"} {
				var o Order
				v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
				v.want(http.StatusCreated, &o, "POST", "/api/orders", "", "Idempotency-Key: "+key)
				ids[o.ID] = true
			}
			var cart Cart
			v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
			if cart.TotalCents != 7_20 {
				t.Errorf("the repeated order took the cart that it did not buy: %+v", cart)
			}
		}
		if len(ids) != 4 {
			t.Errorf("%d orders, want one per customer and key: 4", len(ids))
		}
	})
}

func TestFailedPaymentIsFinishedByARetry(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		payments := &provider{}
		v := visit(t, startShop(t, state, Options{Payments: payments}))
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("heidi"))
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)

		payments.failWith(ErrPaymentsBusy)
		a := v.want(http.StatusServiceUnavailable, nil, "POST", "/api/orders", "", "Idempotency-Key: k")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		payments.failWith(errors.New("card on fire"))
		v.want(http.StatusInternalServerError, nil, "POST", "/api/orders", "", "Idempotency-Key: k")

		var list struct{ Orders []Order }
		v.want(http.StatusOK, &list, "GET", "/api/orders", "")
		if len(list.Orders) != 1 || list.Orders[0].Paid {
			t.Fatalf("before the retry: %+v", list.Orders)
		}
		payments.failWith(nil)
		var o Order
		v.want(http.StatusCreated, &o, "POST", "/api/orders", "", "Idempotency-Key: k")
		var cart Cart
		v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
		if o.ID != list.Orders[0].ID || !o.Paid || len(cart.Lines) != 0 || len(payments.charged) != 1 {
			t.Errorf("after the retry: %+v, cart %+v, charged %v", o, cart, payments.charged)
		}
	})
}

func TestWhatIsAddedDuringCheckoutStaysInTheCart(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		payments := &provider{waiting: make(chan struct{}), proceed: make(chan struct{})}
		v := visit(t, startShop(t, state, Options{Payments: payments}))
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("ivan"))
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`)

		ordered := make(chan answer, 1)
		go func() {
			a, _ := v.try("POST", "/api/orders", "")
			ordered <- a
		}()
		<-payments.waiting
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "ledger", "quantity": 1}`)
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		close(payments.proceed)
		if a := <-ordered; a.status != http.StatusCreated {
			t.Fatalf("order: %d %s", a.status, a.body)
		}
		var cart Cart
		v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
		if got := fmt.Sprint(cart.Lines); got != "[{clips Brass Clips 1 720 720} {ledger Ledger 1 2200 2200}]" {
			t.Errorf("cart: %s", got)
		}
	})
}

// A repetition gets the first response, whatever has changed since. A request with other content is refused.
func TestARepetitionGetsTheFirstAnswer(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		var login struct{ Token string }
		v.want(http.StatusCreated, &login, "POST", "/api/register", credentialsJSON("frank"))
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		key := "Idempotency-Key: " + strings.Repeat("k", 255)
		first := v.want(http.StatusCreated, nil, "POST", "/api/orders", "", key)
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "ledger", "quantity": 1}`)

		again := v.want(http.StatusCreated, nil, "POST", "/api/orders", "", key)
		quoted := v.want(http.StatusCreated, nil, "POST", "/api/orders", "", `Idempotency-Key: "`+strings.Repeat("k", 255)+`"`)
		for _, a := range []answer{again, quoted} {
			if a.body != first.body || a.header.Get("Content-Type") != first.header.Get("Content-Type") ||
				a.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
				t.Errorf("first %v %s, then %v %s", first.header, first.body, a.header, a.body)
			}
		}
		v.want(http.StatusUnprocessableEntity, nil, "POST", "/api/orders", "{}", key)
		var list struct{ Orders []Order }
		v.want(http.StatusOK, &list, "GET", "/api/orders", "")
		if len(list.Orders) != 1 {
			t.Errorf("orders: %+v", list.Orders)
		}
	})
}

func TestAKeyCannotBeGivenTwice(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/orders", nil)
	r.Header["Idempotency-Key"] = []string{"a", "a"}
	if key, err := idempotencyKey(r); !errors.Is(err, idempotency.ErrInvalidKey) {
		t.Errorf("got %q, %v", key, err)
	}
}

// While the writer of the database hangs, one of two duplicates on a node waits for it, and the other gets Retry-After.
func TestDuplicateOfAnOrderInProgress(t *testing.T) {
	state := openShared(t, t.TempDir(), redistest.Start(t))
	v := visit(t, startShop(t, state, Options{}))
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("gina"))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)

	writer, err := databaseOf(state).write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close() // again, for a failing test
	answers := make(chan answer, 2)
	for range 2 {
		go func() {
			a, _ := v.try("POST", "/api/orders", "", "Idempotency-Key: k")
			answers <- a
		}()
	}
	if a := <-answers; a.status != http.StatusConflict || a.header.Get("Retry-After") == "" {
		t.Errorf("the second twin: %d %s %v", a.status, a.body, a.header)
	}
	writer.Close()
	if a := <-answers; a.status != http.StatusCreated {
		t.Errorf("the first twin: %d %s", a.status, a.body)
	}
}

// While the carts are down, a repetition of an order works, and a new order is refused.
func TestRepetitionsNeedNoCart(t *testing.T) {
	redis := redistest.Start(t)
	v := visit(t, startShop(t, openShared(t, t.TempDir(), redis), Options{}))
	var login struct{ Token string }
	v.want(http.StatusCreated, &login, "POST", "/api/register", credentialsJSON("hans"))
	v = visit(t, v.node)
	v.token = login.Token
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
	first := v.want(http.StatusCreated, nil, "POST", "/api/orders", "", "Idempotency-Key: k")
	redis.Kill()
	if again := v.want(http.StatusCreated, nil, "POST", "/api/orders", "", "Idempotency-Key: k"); again.body != first.body {
		t.Errorf("first %s, then %s", first.body, again.body)
	}
	v.want(http.StatusServiceUnavailable, nil, "POST", "/api/orders", "", "Idempotency-Key: other")
}

func TestTheLastOnesAreSoldOnce(t *testing.T) {
	redis, dir := redistest.Start(t), t.TempDir()
	one, two := openShared(t, dir, redis), openShared(t, dir, redis)
	setStock(t, one, "clips", 5)
	nodes := []string{startShop(t, one, Options{}), startShop(t, two, Options{})}
	var sold, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		v := visit(t, nodes[i%2])
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON(fmt.Sprint("kate-", i)))
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		wg.Go(func() {
			switch a, err := v.insist("POST", "/api/orders", "", "Idempotency-Key: k"); {
			case err == nil && a.status == http.StatusCreated:
				sold.Add(1)
			case err == nil && a.status == http.StatusConflict && strings.Contains(a.body, "Brass Clips"):
				refused.Add(1)
			default:
				t.Errorf("%v, %d %s", err, a.status, a.body)
			}
		})
	}
	wg.Wait()
	if left := stockOf(t, one, "clips"); sold.Load() != 5 || refused.Load() != 7 || left != 0 {
		t.Errorf("%d sold, %d refused, %d left of 5", sold.Load(), refused.Load(), left)
	}
}

func TestPaymentLimitIsTheCapacityOfANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		payments := SimulatePayments(100*time.Millisecond, 2)
		start := time.Now()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if err := payments.Charge(t.Context(), "", 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("six payments, two at a time, took %v", took)
		}
	})
}

func TestPaymentsDoNotQueueForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		payments := SimulatePayments(time.Minute, 1)
		var first sync.WaitGroup
		first.Go(func() { payments.Charge(t.Context(), "first", 1) })
		defer first.Wait()
		synctest.Wait()
		start := time.Now()
		if err := payments.Charge(t.Context(), "second", 1); !errors.Is(err, ErrPaymentsBusy) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(start); waited != paymentWait {
			t.Errorf("waited %v", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := payments.Charge(ctx, "third", 1); !errors.Is(err, ErrPaymentsBusy) {
			t.Errorf("a customer who left: %v", err)
		}
	})
}
