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

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// maxInMemory limits the number of users, of carts and of orders in a process.
const maxInMemory = 1_000_000

var errMemoryFull = fmt.Errorf("memory limit of %d entries reached: %w", maxInMemory, ErrUnavailable)

type memoryUsers struct {
	mu       sync.Mutex
	byName   map[string]User
	profiles map[string]Profile // by id
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
	m.profiles[u.ID] = Profile{ID: u.ID, Name: u.Name, Admin: u.Admin}
	return nil
}

func (m *memoryUsers) Profile(_ context.Context, id string) (Profile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.profiles[id]
	if !ok {
		return Profile{}, fmt.Errorf("user %q: %w", id, ErrNotFound)
	}
	return p, nil
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

// memoryLogins is a map from cookie to customer in the process, as many services start.
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
	stock    map[string]int // by product
}

func newMemoryCatalog() *memoryCatalog {
	products := slices.Clone(seedProducts)
	slices.SortFunc(products, func(a, b Product) int {
		return strings.Compare(a.Category+"\x00"+a.Name, b.Category+"\x00"+b.Name)
	})
	stock := map[string]int{}
	for _, p := range products {
		stock[p.ID] = seedStock
	}
	return &memoryCatalog{products: products, stock: stock}
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
	p, err := find(m.products, id)
	if err != nil {
		return Product{}, err
	}
	return *p, nil
}

func (m *memoryCatalog) SetPrice(_ context.Context, id string, cents int64) (Product, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := find(m.products, id)
	if err != nil {
		return Product{}, err
	}
	p.PriceCents = cents
	return *p, nil
}

func (m *memoryCatalog) Stock(_ context.Context, id string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.stock[id]
	if !ok {
		return 0, fmt.Errorf("product %q: %w", id, ErrNotFound)
	}
	return n, nil
}

// take reduces the stock by all lines or by none.
func (m *memoryCatalog) take(lines []Line) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range lines {
		if m.stock[l.Product] < l.Quantity {
			return soldOut(l)
		}
	}
	for _, l := range lines {
		m.stock[l.Product] -= l.Quantity
	}
	return nil
}

type memoryCarts struct {
	mu      sync.Mutex
	byOwner map[string]*memoryCart
	taken   map[string]bool // orders
}

type memoryCart struct {
	lines map[string]int       // by product
	done  map[string]time.Time // clicks of the last opWindow
}

const (
	opWindow = 10 * time.Minute
	maxOps   = 1024 // clicks of one cart within opWindow
)

func (m *memoryCarts) Quantities(_ context.Context, owner string) (map[string]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.byOwner[owner]; c != nil {
		return maps.Clone(c.lines), nil
	}
	return nil, nil
}

func (m *memoryCarts) Add(_ context.Context, owner, product string, n int, op string) error {
	return m.once(owner, op, func(c *memoryCart) error {
		if c.free(product) < n || len(c.done) >= maxOps {
			return ErrCartFull
		}
		c.lines[product] += n
		return nil
	})
}

func (m *memoryCarts) Remove(_ context.Context, owner, product, op string) error {
	return m.once(owner, op, func(c *memoryCart) error {
		if len(c.done) >= maxOps {
			return ErrCartFull
		}
		delete(c.lines, product)
		return nil
	})
}

func (m *memoryCarts) Merge(_ context.Context, owner, guest string) error {
	return m.once(owner, "", func(c *memoryCart) error {
		if from := m.byOwner[guest]; from != nil {
			delete(m.byOwner, guest)
			for product, n := range from.lines {
				if n = min(n, c.free(product)); n > 0 {
					c.lines[product] += n
				}
			}
		}
		return nil
	})
}

func (m *memoryCarts) Take(_ context.Context, owner string, bought map[string]int, order string) error {
	return m.once(owner, "", func(c *memoryCart) error {
		if m.taken[order] {
			return nil
		}
		m.taken[order] = true // one entry per order
		for product, n := range bought {
			if c.lines[product] -= n; c.lines[product] <= 0 {
				delete(c.lines, product)
			}
		}
		return nil
	})
}

// once changes a cart unless the operation was done before.
func (m *memoryCarts) once(owner, op string, change func(*memoryCart) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.byOwner[owner]
	if c == nil {
		if len(m.byOwner) >= maxInMemory {
			return errMemoryFull
		}
		c = &memoryCart{lines: map[string]int{}, done: map[string]time.Time{}}
		m.byOwner[owner] = c
	}
	now := time.Now()
	maps.DeleteFunc(c.done, func(_ string, at time.Time) bool { return now.Sub(at) > opWindow })
	if _, repeated := c.done[op]; repeated {
		return nil
	}
	if err := change(c); err != nil {
		return err
	}
	if op != "" {
		c.done[op] = now
	}
	return nil
}

// free returns how many more of a product the cart can take.
func (c *memoryCart) free(product string) int {
	if c.lines[product] == 0 && len(c.lines) >= maxCartLines {
		return 0
	}
	return maxQuantity - c.lines[product]
}

type memoryOrders struct {
	catalog *memoryCatalog

	mu         sync.Mutex
	byID       map[string]*Order
	byCustomer map[string][]*Order // oldest first
	answers    map[idempotency.Key]recorded
}

type recorded struct {
	request idempotency.Fingerprint
	answer  idempotency.Response
}

func newMemoryOrders(catalog *memoryCatalog) *memoryOrders {
	return &memoryOrders{
		catalog: catalog, byID: map[string]*Order{}, byCustomer: map[string][]*Order{}, answers: map[idempotency.Key]recorded{},
	}
}

func (m *memoryOrders) Place(
	_ context.Context, key idempotency.Key, fp idempotency.Fingerprint, draft func() (Order, error),
) (answer idempotency.Response, replayed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first, ok := m.answers[key]; ok {
		if first.request != fp {
			return answer, false, idempotency.ErrMismatch
		}
		return first.answer, true, nil
	}
	if len(m.byID) >= maxInMemory {
		return answer, false, errMemoryFull
	}
	o, err := draft()
	if err != nil {
		return answer, false, err
	}
	if err := m.catalog.take(o.Lines); err != nil {
		return answer, false, err
	}
	m.byID[o.ID] = &o
	m.byCustomer[o.Customer] = append(m.byCustomer[o.Customer], &o)
	m.answers[key] = recorded{fp, o.answer()}
	return o.answer(), false, nil
}

func (m *memoryOrders) Paid(_ context.Context, id string) (paid bool, err error) {
	err = m.with(id, func(o *Order) { paid = o.Paid })
	return paid, err
}

func (m *memoryOrders) MarkPaid(_ context.Context, id string) error {
	return m.with(id, func(o *Order) { o.Paid = true })
}

func (m *memoryOrders) with(id string, do func(*Order)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.byID[id]
	if !ok {
		return fmt.Errorf("order %q: %w", id, ErrNotFound)
	}
	do(o)
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
