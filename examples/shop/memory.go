package shop

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxInMemory bounds the users, carts and orders that a process holds, each: it is a shop for a demonstration.
const maxInMemory = 1_000_000

var errMemoryFull = fmt.Errorf("memory holds %d already: %w", maxInMemory, ErrUnavailable)

type memoryUsers struct {
	mu     sync.Mutex
	byName map[string]User
}

func (m *memoryUsers) Add(_ context.Context, u User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.byName[u.Name]; taken {
		return ErrNameTaken
	}
	if len(m.byName) >= maxInMemory {
		return errMemoryFull
	}
	m.byName[u.Name] = u
	return nil
}

func (m *memoryUsers) ByName(_ context.Context, name string) (User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.byName[name]
	if !ok {
		return User{}, fmt.Errorf("user %q: %w", name, ErrNotFound)
	}
	return u, nil
}

// memoryLogins is what many services begin with: a map from cookie to customer, in the process.
type memoryLogins struct {
	mu       sync.Mutex
	byCookie map[string]customer
}

func (m *memoryLogins) Middleware(next http.Handler) http.Handler { return next }

func (m *memoryLogins) Of(r *http.Request) (*customer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cookie, err := r.Cookie(loginCookie); err == nil {
		if c, ok := m.byCookie[cookie.Value]; ok {
			return &c, nil
		}
	}
	return nil, nil
}

func (m *memoryLogins) Begin(w http.ResponseWriter, r *http.Request, c customer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(r)
	if len(m.byCookie) >= maxInMemory {
		return errMemoryFull
	}
	token := rand.Text()
	m.byCookie[token] = c
	setCookie(w, r, loginCookie, token, 0)
	return nil
}

func (m *memoryLogins) End(w http.ResponseWriter, r *http.Request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(r)
	setCookie(w, r, loginCookie, "", -time.Second)
	return nil
}

func (m *memoryLogins) EndAll(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.byCookie, func(_ string, c customer) bool { return c.ID == id })
	return nil
}

func (m *memoryLogins) forget(r *http.Request) {
	if cookie, err := r.Cookie(loginCookie); err == nil {
		delete(m.byCookie, cookie.Value)
	}
}

type memoryCatalog struct {
	mu       sync.Mutex
	products []Product
}

func newMemoryCatalog() *memoryCatalog {
	products := slices.Clone(seedProducts)
	slices.SortFunc(products, func(a, b Product) int {
		return strings.Compare(a.Category+"\x00"+a.Name, b.Category+"\x00"+b.Name)
	})
	return &memoryCatalog{products: products}
}

func (m *memoryCatalog) Products(_ context.Context, category string) ([]Product, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := []Product{}
	for _, p := range m.products {
		if category == "" || p.Category == category {
			found = append(found, p)
		}
	}
	return found, nil
}

func (m *memoryCatalog) Product(_ context.Context, id string) (Product, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(id)
	if err != nil {
		return Product{}, err
	}
	return *p, nil
}

func (m *memoryCatalog) SetPrice(_ context.Context, id string, cents int64) (Product, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(id)
	if err != nil {
		return Product{}, err
	}
	p.PriceCents = cents
	return *p, nil
}

func (m *memoryCatalog) find(id string) (*Product, error) {
	i := slices.IndexFunc(m.products, func(p Product) bool { return p.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("product %q: %w", id, ErrNotFound)
	}
	return &m.products[i], nil
}

type memoryCarts struct {
	mu      sync.Mutex
	byOwner map[string]map[string]int
}

func (m *memoryCarts) Quantities(_ context.Context, owner string) (map[string]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.byOwner[owner]), nil
}

func (m *memoryCarts) Add(_ context.Context, owner, product string, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(owner, product, m.byOwner[owner][product]+n)
}

// put sets a quantity, within the limits.
func (m *memoryCarts) put(owner, product string, n int) error {
	cart := m.byOwner[owner]
	if n > maxQuantity || cart[product] == 0 && len(cart) >= maxCartLines {
		return ErrCartFull
	}
	if cart == nil {
		if len(m.byOwner) >= maxInMemory {
			return errMemoryFull
		}
		cart = map[string]int{}
		m.byOwner[owner] = cart
	}
	cart[product] = n
	return nil
}

func (m *memoryCarts) Remove(_ context.Context, owner, product string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(owner, product)
	return nil
}

func (m *memoryCarts) Raise(_ context.Context, owner string, quantities map[string]int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for product, n := range quantities {
		if n > m.byOwner[owner][product] {
			m.put(owner, product, n) // what has no room is left out
		}
	}
	return nil
}

func (m *memoryCarts) Settle(_ context.Context, owner string, quantities map[string]int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for product, n := range quantities {
		if m.byOwner[owner][product] == n {
			m.drop(owner, product)
		}
	}
	return nil
}

func (m *memoryCarts) drop(owner, product string) {
	delete(m.byOwner[owner], product)
	if len(m.byOwner[owner]) == 0 {
		delete(m.byOwner, owner)
	}
}

type memoryOrders struct {
	mu         sync.Mutex
	byID       map[string]*Order
	byKey      map[customerKey]*Order
	byCustomer map[string][]*Order // oldest first
}

type customerKey struct{ customer, key string }

func newMemoryOrders() *memoryOrders {
	return &memoryOrders{byID: map[string]*Order{}, byKey: map[customerKey]*Order{}, byCustomer: map[string][]*Order{}}
}

func (m *memoryOrders) Place(_ context.Context, o Order) (Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first, ok := m.byKey[customerKey{o.Customer, o.Key}]; ok {
		return *first, nil
	}
	if len(m.byID) >= maxInMemory {
		return Order{}, errMemoryFull
	}
	m.byID[o.ID] = &o
	m.byKey[customerKey{o.Customer, o.Key}] = &o
	m.byCustomer[o.Customer] = append(m.byCustomer[o.Customer], &o)
	return o, nil
}

func (m *memoryOrders) ByKey(_ context.Context, customer, key string) (Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.byKey[customerKey{customer, key}]
	if !ok {
		return Order{}, fmt.Errorf("order under key %q: %w", key, ErrNotFound)
	}
	return *o, nil
}

func (m *memoryOrders) MarkPaid(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.byID[id]
	if !ok {
		return fmt.Errorf("order %q: %w", id, ErrNotFound)
	}
	o.Paid = true
	return nil
}

func (m *memoryOrders) Recent(_ context.Context, customer string, limit int) ([]Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	recent := []Order{}
	for _, o := range slices.Backward(m.byCustomer[customer]) {
		if len(recent) == limit {
			break
		}
		recent = append(recent, *o)
	}
	return recent, nil
}
