package shop

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"time"
)

// Order is a cart that was bought: what it holds no longer changes with the catalog.
type Order struct {
	ID         string    `json:"id"`
	Customer   string    `json:"-"`
	Key        string    `json:"-"` // a customer has at most one order under a key
	Paid       bool      `json:"paid"`
	PlacedAt   time.Time `json:"placed_at"`
	Lines      []Line    `json:"lines"`
	TotalCents int64     `json:"total_cents"`
}

// Orders keeps the orders.
type Orders interface {
	// Place writes an unpaid order, or returns the one that its customer already has under its key, unchanged.
	Place(context.Context, Order) (Order, error)
	// ByKey returns ErrNotFound when the customer has no order under the key.
	ByKey(ctx context.Context, customer, key string) (Order, error)
	// MarkPaid says that an order was paid. Marking twice changes nothing.
	MarkPaid(ctx context.Context, id string) error
	// Recent returns a customer's newest orders first, at most limit of them.
	Recent(ctx context.Context, customer string, limit int) ([]Order, error)
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
	if r.ContentLength != 0 { // the order is what is in the cart
		if err := readJSON(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	order, replayed, err := s.buyCart(r.Context(), customer.ID, key)
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	return writeJSON(w, http.StatusCreated, order)
}

// buyCart turns the customer's cart into a paid order. It may be asked again, at once or later, here or on another node,
// and after a death at any step: the same key gives the same order, written once and charged once. Two keys are two
// orders, even of one cart.
//
//	write it unpaid, under the key -> charge it, under its id -> empty the cart -> mark it paid
//
// Paid is the last word: a repetition of an unpaid order does again what may have been done, one of a paid order nothing.
func (s *Shop) buyCart(ctx context.Context, customer, key string) (order Order, replayed bool, err error) {
	order, replayed, err = s.orderOnce(ctx, customer, key)
	if err != nil || order.Paid {
		return order, replayed, err
	}
	if err := s.payments.Charge(ctx, order.ID, order.TotalCents); err != nil {
		return order, replayed, err
	}
	ctx = context.WithoutCancel(ctx) // money has moved: it no longer matters whether the customer still waits
	bought := make(map[string]int, len(order.Lines))
	for _, l := range order.Lines {
		bought[l.Product] = l.Quantity
	}
	if err := s.state.Carts.Settle(ctx, customerCart(customer), bought); err != nil {
		s.log.Error("cart not emptied", "order", order.ID, "error", err) // the order stands all the same
	}
	order.Paid = true
	return order, replayed, s.state.Orders.MarkPaid(ctx, order.ID)
}

// orderOnce returns the customer's order under the key; the first call makes it from the cart.
//
// The cart is read before the key is looked up: a cart that is empty because a twin of this request has bought it is
// then sure to find the twin's order.
func (s *Shop) orderOnce(ctx context.Context, customer, key string) (order Order, replayed bool, err error) {
	cart, err := s.cart(ctx, customerCart(customer))
	if err != nil {
		return Order{}, false, err
	}
	if len(cart.Lines) == 0 {
		order, err := s.state.Orders.ByKey(ctx, customer, key)
		if errors.Is(err, ErrNotFound) {
			err = refuse(http.StatusConflict, "the cart is empty")
		}
		return order, true, err
	}
	id := rand.Text()
	order, err = s.state.Orders.Place(ctx, Order{
		ID: id, Customer: customer, Key: key, PlacedAt: time.Now().UTC().Truncate(time.Millisecond),
		Lines: cart.Lines, TotalCents: cart.TotalCents,
	})
	return order, order.ID != id, err
}

var validKey = regexp.MustCompile(`^[!-~]{1,255}$`)

// idempotencyKey returns the key under which a request may be repeated. A request without one is like no other.
func idempotencyKey(r *http.Request) (string, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return rand.Text(), nil
	}
	if len(keys) > 1 || !validKey.MatchString(keys[0]) {
		return "", refuse(http.StatusBadRequest, "Idempotency-Key must be one value of 1 to 255 visible ASCII characters")
	}
	return keys[0], nil
}
