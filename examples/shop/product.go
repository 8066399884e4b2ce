package shop

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

// Product is something that the shop sells. Money is in integer cents everywhere.
type Product struct {
	ID          string `json:"id"` // a word for paths, for example "dot-grid"
	Category    string `json:"category"`
	Name        string `json:"name"`
	Description string `json:"description"`
	PriceCents  int64  `json:"price_cents"`
}

const maxPriceCents = 100_000_00

var validProductID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// Catalog stores the products.
type Catalog interface {
	// Products returns a category's products by name; all products by category and name for "".
	Products(ctx context.Context, category string) ([]Product, error)
	// Product returns ErrNotFound when no product has this id.
	Product(ctx context.Context, id string) (Product, error)
	// Stock returns the stock of a product, which may be up to five seconds old, or ErrNotFound. Orders.Place checks the exact
	// stock.
	Stock(ctx context.Context, id string) (int, error)
	// SetPrice returns the product with its new price, or ErrNotFound. Every read that starts after it has returned sees the
	// price, on all nodes. After ErrUnavailable the price may be set, and some nodes may show it: set it again.
	SetPrice(ctx context.Context, id string, cents int64) (Product, error)
}

// find returns the product with an id.
func find(products []Product, id string) (*Product, error) {
	i := slices.IndexFunc(products, func(p Product) bool { return p.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("product %q: %w", id, ErrNotFound)
	}
	return &products[i], nil
}

func (s *Shop) listProducts(w http.ResponseWriter, r *http.Request) error {
	products, err := s.productsOf(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"products": products})
}

// productsOf returns the products of the category that a request asks for.
func (s *Shop) productsOf(r *http.Request) ([]Product, error) {
	category := r.URL.Query().Get("category")
	if category != "" && !slices.Contains(categories, category) {
		return nil, refuse(http.StatusNotFound, "no category %q, there are %q", category, categories)
	}
	return s.state.Catalog.Products(r.Context(), category)
}

func (s *Shop) showProduct(w http.ResponseWriter, r *http.Request) error {
	product, err := s.state.Catalog.Product(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, product)
}

func (s *Shop) showStock(w http.ResponseWriter, r *http.Request) error {
	product, err := s.state.Catalog.Product(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := s.state.Catalog.Stock(r.Context(), product.ID)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"product": product.ID, "stock": n})
}

func (s *Shop) setPrice(w http.ResponseWriter, r *http.Request) error {
	customer, err := s.customer(r)
	if err != nil {
		return err
	}
	if !customer.Admin {
		return refuse(http.StatusForbidden, "only an admin may set prices")
	}
	var price struct {
		Cents int64 `json:"price_cents"`
	}
	if err := readJSON(w, r, &price); err != nil {
		return err
	}
	if price.Cents < 1 || price.Cents > maxPriceCents {
		return refuse(http.StatusUnprocessableEntity, "price_cents must be 1 to %d", int64(maxPriceCents))
	}
	product, err := s.state.Catalog.SetPrice(r.Context(), r.PathValue("id"), price.Cents)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, product)
}
