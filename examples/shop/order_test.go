package shop

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// provider is a payment provider that keeps its books, and fails when told to.
type provider struct {
	mu      sync.Mutex
	charged map[string]int64 // by reference
	fail    error
	waiting chan struct{} // when set: receives once per charge that has begun, which then waits for proceed
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
	redis, dir := startRedis(t), t.TempDir()
	payments := &provider{}
	var nodes []string
	for range 3 {
		nodes = append(nodes, startShop(t, openShared(t, dir, redis), Options{Payments: payments}))
	}
	v := visit(t, nodes[0])
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("erin"))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`)

	const twins = 30
	var orders [twins]Order
	var replays [twins]string
	var wg sync.WaitGroup
	for i := range twins {
		wg.Go(func() {
			twin := *v
			twin.node = nodes[i%len(nodes)]
			a := twin.want(http.StatusCreated, &orders[i], "POST", "/api/orders", "", "Idempotency-Key: once")
			replays[i] = a.header.Get("Idempotency-Replayed")
		})
	}
	wg.Wait()

	first := 0
	for i, o := range orders {
		if o.ID != orders[0].ID || !o.Paid || o.TotalCents != 14_40 {
			t.Errorf("answer %d: %+v, answer 0: %+v", i, o, orders[0])
		}
		if replays[i] == "" {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d of %d answers claim to be the first", first, twins)
	}
	var list struct{ Orders []Order }
	v.want(http.StatusOK, &list, "GET", "/api/orders", "")
	if len(list.Orders) != 1 {
		t.Errorf("%d orders", len(list.Orders))
	}
	if len(payments.charged) != 1 || payments.charged[orders[0].ID] != 14_40 {
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
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)

		ordered := make(chan answer, 1)
		go func() {
			a, _ := v.try("POST", "/api/orders", "")
			ordered <- a
		}()
		<-payments.waiting
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "ledger", "quantity": 1}`)
		close(payments.proceed)
		if a := <-ordered; a.status != http.StatusCreated {
			t.Fatalf("order: %d %s", a.status, a.body)
		}
		var cart Cart
		v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
		if len(cart.Lines) != 1 || cart.Lines[0].Product != "ledger" {
			t.Errorf("cart: %+v", cart)
		}
	})
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
