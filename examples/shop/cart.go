package shop

import (
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

// Cart is what a visitor is about to order, at today's prices.
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
	cartLife     = 30 * 24 * time.Hour // a cart that nobody touches for so long is thrown away
)

// Carts keeps quantities by owner and product. Each method is atomic, so that carts may change on several nodes at once.
type Carts interface {
	// Quantities returns what is in a cart, by product. An owner without a cart has an empty one.
	Quantities(ctx context.Context, owner string) (map[string]int, error)
	// Add puts n more of a product into a cart, or returns ErrCartFull and changes nothing.
	Add(ctx context.Context, owner, product string, n int) error
	// Remove takes a product out of a cart. It is no error when it was not in it.
	Remove(ctx context.Context, owner, product string) error
	// Raise makes each quantity at least what is given, as far as the cart has room. Raising twice changes nothing.
	Raise(ctx context.Context, owner string, quantities map[string]int) error
	// Settle takes those products out of a cart whose quantity is still the given one. Settling twice changes nothing.
	Settle(ctx context.Context, owner string, quantities map[string]int) error
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
	if _, err := s.state.Catalog.Product(r.Context(), item.Product); err != nil {
		return err
	}
	owner, err := s.cartOwner(r)
	if err != nil {
		return err
	}
	if owner == "" {
		token := rand.Text()
		setCookie(w, r, cartCookie, token, cartLife)
		owner = guestCart(token)
	}
	if err := s.state.Carts.Add(r.Context(), owner, item.Product, item.Quantity); err != nil {
		return err
	}
	return s.writeCart(w, r, owner)
}

func (s *Shop) removeItem(w http.ResponseWriter, r *http.Request) error {
	owner, err := s.cartOwner(r)
	if err != nil {
		return err
	}
	if owner != "" {
		if err := s.state.Carts.Remove(r.Context(), owner, r.PathValue("product")); err != nil {
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

// cart prices a cart. The owner "" has an empty one.
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

// cartOwner names the cart of a request: the customer's, else that of the guest's cookie, else "".
func (s *Shop) cartOwner(r *http.Request) (string, error) {
	customer, err := s.visitor(r)
	if err != nil {
		return "", err
	}
	return cartOf(customer, r), nil
}

func cartOf(c *customer, r *http.Request) string {
	if c != nil {
		return customerCart(c.ID)
	}
	return guestOf(r)
}

func guestOf(r *http.Request) string {
	if c, err := r.Cookie(cartCookie); err == nil && validCartToken.MatchString(c.Value) {
		return guestCart(c.Value)
	}
	return ""
}

// adoptCart moves the guest's cart of this browser into the cart of the user who logs in. The two may be on different
// servers of a Redis Cluster, so the move is two steps that may be repeated: a login that dies between them loses
// nothing, and the next one doubles nothing, because the larger quantity wins.
func (s *Shop) adoptCart(w http.ResponseWriter, r *http.Request, user string) error {
	guest := guestOf(r)
	if guest == "" {
		return nil
	}
	quantities, err := s.state.Carts.Quantities(r.Context(), guest)
	if err != nil {
		return fmt.Errorf("adopt cart: %w", err)
	}
	if len(quantities) > 0 {
		err = s.state.Carts.Raise(r.Context(), customerCart(user), quantities)
		if err == nil {
			err = s.state.Carts.Settle(r.Context(), guest, quantities)
		}
		if err != nil {
			return fmt.Errorf("adopt cart: %w", err)
		}
	}
	setCookie(w, r, cartCookie, "", -time.Second)
	return nil
}
