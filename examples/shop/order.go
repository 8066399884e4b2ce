package shop

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// Order is a cart that was bought. It no longer changes with the catalog.
type Order struct {
	ID         string    `json:"id"`
	Customer   string    `json:"-"`
	Paid       bool      `json:"paid"`
	PlacedAt   time.Time `json:"placed_at"`
	Lines      []Line    `json:"lines"`
	TotalCents int64     `json:"total_cents"`
}

// Orders stores the orders.
type Orders interface {
	// Place writes the unpaid order that draft returns, removes its lines from the stock, and records the response under the key:
	// all three or nothing. A repetition gets the recorded response, and draft is not called. Draft must be fast, because
	// other writers wait for it. Errors: that of draft, one that names a product that is sold out, those of
	// idempotency.Store.Do.
	Place(
		ctx context.Context, key idempotency.Key, fp idempotency.Fingerprint, draft func() (Order, error),
	) (answer idempotency.Response, replayed bool, err error)
	// Paid reports whether an order is paid, and MarkPaid marks it. MarkPaid is idempotent.
	Paid(ctx context.Context, id string) (bool, error)
	MarkPaid(ctx context.Context, id string) error
	// Recent returns a customer's newest orders first, at most limit of them.
	Recent(ctx context.Context, customer string, limit int) ([]Order, error)
}

// answer returns the response to a paid order. It is recorded before the payment and sent after it.
func (o Order) answer() idempotency.Response {
	o.Paid = true
	return idempotency.Response{Status: http.StatusCreated, Body: encodeJSON(o)}
}

// soldOut returns the error for a line with more products than the stock has.
func soldOut(l Line) error {
	return refuse(http.StatusConflict, "there are fewer than %d of %q left", l.Quantity, l.Name)
}

const shownOrders = 100

func (s *Shop) listOrders(w http.ResponseWriter, r *http.Request) error {
	customer, err := s.customer(r)
	if err != nil {
		return err
	}
	orders, err := s.state.Orders.Recent(r.Context(), customer.ID, shownOrders)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"orders": orders})
}

func (s *Shop) placeOrder(w http.ResponseWriter, r *http.Request) error {
	customer, err := s.customer(r)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if len(body) > 0 { // the order is the content of the cart
		if err := decodeJSON(r, body, &struct{}{}); err != nil {
			return err
		}
	}
	// A request without a key gets a unique one.
	once := idempotency.Key{Caller: customer.ID, Value: cmp.Or(key, rand.Text())}
	answer, replayed, err := s.buyCart(r.Context(), customer.ID, once, idempotency.FingerprintOf(r, body))
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	writeBody(w, answer.Status, "application/json", answer.Body)
	return nil
}

// buyCart turns the customer's cart into a paid order. It may be repeated, concurrently or later, on this or another node, and after
// a crash at any step: the same key gives the same order, charged once, and the same response. Two keys are two orders,
// even of one cart.
//
//	write it unpaid, with its response, under the key    one transaction, milliseconds
//	charge it, under its id                              outside the transaction, so that other writers do not wait
//	take it out of the cart, under its id
//	mark it paid
//	send the response
//
// The cart is read before the transaction, so that the transaction does not wait for the store of carts. A repetition does not need
// the cart: a concurrent duplicate may have emptied it, or its store may be down.
func (s *Shop) buyCart(
	ctx context.Context, customer string, key idempotency.Key, fp idempotency.Fingerprint,
) (answer idempotency.Response, replayed bool, err error) {
	draft, draftErr := s.draftOrder(ctx, customer)
	answer, replayed, err = s.state.Orders.Place(ctx, key, fp, func() (Order, error) { return draft, draftErr })
	if err != nil {
		return answer, replayed, err
	}
	var order Order
	if err := json.Unmarshal(answer.Body, &order); err != nil {
		return answer, replayed, fmt.Errorf("read recorded order: %w", err)
	}
	return answer, replayed, s.completePayment(ctx, customer, order)
}

func (s *Shop) draftOrder(ctx context.Context, customer string) (Order, error) {
	cart, err := s.cart(ctx, customerCart(customer))
	if err == nil && len(cart.Lines) == 0 {
		err = refuse(http.StatusConflict, "the cart is empty")
	}
	return Order{
		ID: rand.Text(), Customer: customer, PlacedAt: time.Now().UTC().Truncate(time.Millisecond),
		Lines: cart.Lines, TotalCents: cart.TotalCents,
	}, err
}

// completePayment charges the order, removes it from the cart and marks it paid. For a paid order it does nothing. For an unpaid order
// it repeats all steps; each is idempotent by the id of the order.
func (s *Shop) completePayment(ctx context.Context, customer string, o Order) error {
	if paid, err := s.state.Orders.Paid(ctx, o.ID); paid || err != nil {
		return err
	}
	if err := s.payments.Charge(ctx, o.ID, o.TotalCents); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the customer is charged: continue even if the client disconnects
	bought := make(map[string]int, len(o.Lines))
	for _, l := range o.Lines {
		bought[l.Product] = l.Quantity
	}
	if err := s.state.Carts.Take(ctx, customerCart(customer), bought, o.ID); err != nil {
		return err
	}
	return s.state.Orders.MarkPaid(ctx, o.ID)
}

// idempotencyKey returns the idempotency key of a request, or "" if it has none.
func idempotencyKey(r *http.Request) (string, error) {
	key, err := idempotency.KeyOf(r)
	if errors.Is(err, idempotency.ErrNoKey) {
		return "", nil
	}
	return key, err
}
