package shop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/idempotency"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// mortal is the step of an order at which the process sends itself SIGKILL; "" for no step.
type mortal string

func (m mortal) at(step mortal) {
	if m == step {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // wait for the signal
	}
}

type mortalOrders struct {
	Orders
	mortal
}

func (m mortalOrders) Place(
	ctx context.Context, key idempotency.Key, fp idempotency.Fingerprint, draft func() (Order, error),
) (idempotency.Response, bool, error) {
	answer, replayed, err := m.Orders.Place(ctx, key, fp, func() (Order, error) {
		m.at("the key is claimed")
		return draft()
	})
	m.at("the order is written")
	return answer, replayed, err
}

func (m mortalOrders) MarkPaid(ctx context.Context, id string) error {
	err := m.Orders.MarkPaid(ctx, id)
	m.at("it is marked paid")
	return err
}

type mortalCarts struct {
	Carts
	mortal
}

func (m mortalCarts) Take(ctx context.Context, owner string, bought map[string]int, order string) error {
	err := m.Carts.Take(ctx, owner, bought, order)
	m.at("the cart is settled")
	return err
}

// books is a payment provider that writes one line per call to a file.
type books struct {
	file string
	mortal
}

func (b books) Charge(_ context.Context, reference string, cents int64) error {
	f, err := os.OpenFile(b.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, reference, cents)
	b.at("it is charged")
	return err
}

// charged returns the cents by reference. A reference is charged once.
func (b books) charged(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	charged := map[string]string{}
	for line := range strings.Lines(string(text)) {
		reference, cents, _ := strings.Cut(strings.TrimSpace(line), " ")
		if first := charged[reference]; first != "" && first != cents {
			t.Errorf("%s is charged %s, and %s before", reference, cents, first)
		}
		charged[reference] = cents
	}
	return charged
}

// serveUntil runs a process whose shop kills itself at a step of its first order.
func serveUntil(ctx context.Context, step mortal) error {
	state, err := OpenShared(ctx, os.Getenv("SHOP_DB"), os.Getenv("REDIS_URL"), nil)
	if err != nil {
		return err
	}
	state.Orders, state.Carts = mortalOrders{state.Orders, step}, mortalCarts{state.Carts, step}
	s, err := New(state, Options{PasswordCost: 4, Payments: books{os.Getenv("SHOP_BOOKS"), step}})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "msg=\"shop is open\" url=http://%s/ \n", listener.Addr())
	return s.serve(ctx, listener, time.Second)
}

// A node is killed at each step of an order, and the customer retries on two other nodes concurrently. There is one order, one charge
// and one response. Products that were added in between stay in the cart.
func TestKilledAtEachStepOfAnOrder(t *testing.T) {
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	t.Setenv("SHOP_DB", filepath.Join(t.TempDir(), "shop.db"))
	books := books{file: filepath.Join(t.TempDir(), "books")}
	t.Setenv("SHOP_BOOKS", books.file)
	start := func(step mortal) *process {
		t.Setenv("SHOP_ENDS_WHEN", string(step))
		return startProcess(t)
	}
	nodes := []string{start("never").url(), start("never").url()}
	for i, step := range []mortal{
		"the key is claimed", "the order is written", "it is charged", "the cart is settled", "it is marked paid",
	} {
		t.Run(string(step), func(t *testing.T) {
			dying := start(step)
			v := visit(t, dying.url())
			v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON(fmt.Sprint("nina-", i)))
			v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`)
			if a, err := v.try("POST", "/api/orders", "", "Idempotency-Key: k"); err == nil {
				t.Fatalf("the killed process answered: %d %s", a.status, a.body)
			}
			dying.end(syscall.SIGKILL)

			v.node = nodes[0]
			left, first := "[]", 1
			if step != "the key is claimed" { // otherwise nothing was written, and the order is that of the retry
				v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 3}`)
				left, first = "[{clips Brass Clips 3 720 2160}]", 0
			}
			order := orderInParallel(t, v, nodes, first)

			var cart Cart
			v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
			if got := fmt.Sprint(cart.Lines); got != left {
				t.Errorf("cart: %s, want %s", got, left)
			}
			var list struct{ Orders []Order }
			v.want(http.StatusOK, &list, "GET", "/api/orders", "")
			if len(list.Orders) != 1 || list.Orders[0].ID != order.ID || !list.Orders[0].Paid || order.TotalCents != 14_40 {
				t.Errorf("orders %+v, answered %+v", list.Orders, order)
			}
			if charged := books.charged(t); len(charged) != i+1 || charged[order.ID] != "1440" {
				t.Errorf("charged: %v, want %d orders and %s among them", charged, i+1, order.ID)
			}
		})
	}
}

// orderInParallel sends many concurrent duplicates of one order to all nodes. All responses must be the same order, and the given
// number of them must not be replays.
func orderInParallel(t *testing.T, v *visitor, nodes []string, first int) (order Order) {
	t.Helper()
	const twins = 30
	var answers [twins]answer
	var wg sync.WaitGroup
	for i := range twins {
		wg.Go(func() {
			twin := *v
			twin.node = nodes[i%len(nodes)]
			var err error
			if answers[i], err = twin.insist("POST", "/api/orders", "", "Idempotency-Key: k"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, a := range answers {
		if a.status != http.StatusCreated || a.body != answers[0].body {
			t.Errorf("answer %d: %d %s, answer 0: %s", i, a.status, a.body, answers[0].body)
		}
		if a.header.Get("Idempotency-Replayed") != "true" {
			first--
		}
	}
	if first != 0 {
		t.Errorf("%d answers too few say that they are the first", first)
	}
	decode(t, answers[0].body, &order)
	if !order.Paid {
		t.Errorf("the order is not paid: %+v", order)
	}
	return order
}
