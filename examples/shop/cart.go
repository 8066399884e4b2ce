package shop

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Cart is what a visitor is about to order, at current prices.
type Cart struct {
	Lines      []Line `json:"lines"` // by name
	TotalCents int64  `json:"total_cents"`
}

// Line is a product of a cart or an order.
type Line struct {
	Product    string `json:"product"`
	Name       string `json:"name"`
	Quantity   int    `json:"quantity"`
	PriceCents int64  `json:"price_cents"`
	TotalCents int64  `json:"total_cents"`
}

const (
	maxCartLines = 50
	maxQuantity  = 1000
	cartLife     = 30 * 24 * time.Hour // a cart without a change for this long is deleted
)

// Carts stores quantities by owner and product. Changes are operations, not states, so concurrent changes of several nodes add
// up. An operation with the id of an earlier one changes nothing. With the id "" every call counts.
type Carts interface {
	// Quantities returns what is in a cart, by product. An owner without a cart has an empty cart.
	Quantities(ctx context.Context, owner string) (map[string]int, error)
	// Add puts n more of a product into a cart, or returns ErrCartFull and changes nothing.
	Add(ctx context.Context, owner, product string, n int, op string) error
	// Remove takes a product out of a cart. It is no error when it was not in it.
	Remove(ctx context.Context, owner, product, op string) error
	// Merge moves a guest's cart into another one. Quantities add up. Products above the limits are dropped.
	Merge(ctx context.Context, owner, guest string) error
	// Take removes the bought quantities from a cart, once per order. Later additions stay.
	Take(ctx context.Context, owner string, bought map[string]int, order string) error
}

func (s *Shop) showCart(w http.ResponseWriter, r *http.Request) error {
	owner, err := s.cartOwner(r)
	if err != nil {
		return err
	}
	return s.writeCart(w, r, owner)
}

func (s *Shop) addItem(w http.ResponseWriter, r *http.Request) error {
	var item struct {
		Product  string `json:"product"`
		Quantity int    `json:"quantity"`
	}
	if err := readJSON(w, r, &item); err != nil {
		return err
	}
	if item.Quantity < 1 || item.Quantity > maxQuantity {
		return refuse(http.StatusUnprocessableEntity, "quantity must be 1 to %d", maxQuantity)
	}
	op, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	if _, err := s.state.Catalog.Product(r.Context(), item.Product); err != nil {
		return err
	}
	customer, err := s.visitor(r)
	if err != nil {
		return err
	}
	owner, err := s.cartOf(r, customer)
	if err != nil {
		return err
	}
	if customer == nil { // the cookie lives as long as the cart
		guest := cmp.Or(guestToken(r), rand.Text())
		setCookie(w, r, cartCookie, guest, cartLife)
		owner = guestCart(guest)
	}
	if err := s.state.Carts.Add(r.Context(), owner, item.Product, item.Quantity, op); err != nil {
		return err
	}
	return s.writeCart(w, r, owner)
}

func (s *Shop) removeItem(w http.ResponseWriter, r *http.Request) error {
	product := r.PathValue("product")
	if !validProductID.MatchString(product) { // a product that is no longer sold is accepted
		return fmt.Errorf("product %q: %w", product, ErrNotFound)
	}
	op, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	owner, err := s.cartOwner(r)
	if err != nil {
		return err
	}
	if owner != "" {
		if err := s.state.Carts.Remove(r.Context(), owner, product, op); err != nil {
			return err
		}
	}
	return s.writeCart(w, r, owner)
}

func (s *Shop) writeCart(w http.ResponseWriter, r *http.Request, owner string) error {
	cart, err := s.cart(r.Context(), owner)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, cart)
}

// cart returns a cart with prices. The owner "" has an empty cart.
func (s *Shop) cart(ctx context.Context, owner string) (Cart, error) {
	cart := Cart{Lines: []Line{}}
	if owner == "" {
		return cart, nil
	}
	quantities, err := s.state.Carts.Quantities(ctx, owner)
	if err != nil {
		return cart, err
	}
	for id, n := range quantities {
		product, err := s.state.Catalog.Product(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue // no longer sold
		}
		if err != nil {
			return cart, err
		}
		total := int64(n) * product.PriceCents
		cart.Lines = append(cart.Lines, Line{id, product.Name, n, product.PriceCents, total})
		cart.TotalCents += total
	}
	slices.SortFunc(cart.Lines, func(a, b Line) int { return strings.Compare(a.Name, b.Name) })
	return cart, nil
}

const cartCookie = "shop_cart"

var validCartToken = regexp.MustCompile(`^[A-Z2-7]{26}$`) // what rand.Text returns

func guestCart(token string) string   { return "guest:" + token }
func customerCart(user string) string { return "user:" + user }

// cartOwner returns the owner of the cart of a request: the customer, else the guest of the cookie, else "".
func (s *Shop) cartOwner(r *http.Request) (string, error) {
	customer, err := s.visitor(r)
	if err != nil {
		return "", err
	}
	return s.cartOf(r, customer)
}

// cartOf is cartOwner for a known customer. It merges the guest's cart of this browser into the customer's.
func (s *Shop) cartOf(r *http.Request, c *customer) (string, error) {
	guest := guestToken(r)
	switch {
	case c == nil && guest == "":
		return "", nil
	case c == nil:
		return guestCart(guest), nil
	case guest == "":
		return customerCart(c.ID), nil
	}
	return customerCart(c.ID), s.state.Carts.Merge(r.Context(), customerCart(c.ID), guestCart(guest))
}

func guestToken(r *http.Request) string {
	if c, err := r.Cookie(cartCookie); err == nil && validCartToken.MatchString(c.Value) {
		return c.Value
	}
	return ""
}

// guestGrace is how long the guest's cart is still merged after the login, so that concurrent additions of this browser are not lost.
const guestGrace = time.Minute

// adoptCart merges the guest's cart at login. A login that failed half-way may be repeated: the cart is merged once.
func (s *Shop) adoptCart(w http.ResponseWriter, r *http.Request, c customer) error {
	if _, err := s.cartOf(r, &c); err != nil {
		return fmt.Errorf("adopt cart: %w", err)
	}
	if guest := guestToken(r); guest != "" {
		setCookie(w, r, cartCookie, guest, guestGrace)
	}
	return nil
}
