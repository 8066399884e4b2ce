package shop

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

func TestNodesOfOneSharedStateAreOneShop(t *testing.T) {
	redis, dir := redistest.Start(t), t.TempDir()
	one := startShop(t, openCached(t, dir, redis), Options{Node: "shop-1"})
	two := startShop(t, openCached(t, dir, redis), Options{Node: "shop-2"})

	v := visit(t, one)
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
	v.node = two // a guest's cart
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("kim"))
	v.node = one // a login
	var cart Cart
	v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
	if cart.TotalCents != 14_40 {
		t.Errorf("cart: %+v", cart)
	}
	var order Order
	a := v.want(http.StatusCreated, &order, "POST", "/api/orders", "", "Idempotency-Key: k")
	if a.header.Get("X-Served-By") != "shop-1" || a.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("header: %v", a.header)
	}
	v.node = two // an order, and its repetition
	var again Order
	a = v.want(http.StatusCreated, &again, "POST", "/api/orders", "", "Idempotency-Key: k")
	if a.header.Get("X-Served-By") != "shop-2" || a.header.Get("Idempotency-Replayed") != "true" || again.ID != order.ID {
		t.Errorf("header: %v, order %+v, first %+v", a.header, again, order)
	}
	var list struct{ Orders []Order }
	v.want(http.StatusOK, &list, "GET", "/api/orders", "")
	if len(list.Orders) != 1 || list.Orders[0].ID != order.ID {
		t.Errorf("orders: %+v", list.Orders)
	}

	v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("admin"))
	setPrice(v, 1)
	v.node = one
	var p Product
	v.want(http.StatusOK, &p, "GET", "/api/products/clips", "")
	if p.PriceCents != 1 {
		t.Errorf("price on the other node: %+v", p)
	}
}

// With --state memory, visitors lose logins and carts when there is a second node.
func TestNodesThatKeepStateInMemoryForgetEachOthersCustomers(t *testing.T) {
	one, two := startShop(t, OpenMemory(), Options{}), startShop(t, OpenMemory(), Options{})
	v := visit(t, one)
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("leo"))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)

	v.node = two
	var cart Cart
	v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
	if len(cart.Lines) != 0 {
		t.Errorf("the cart followed: %+v", cart)
	}
	v.want(http.StatusUnauthorized, nil, "POST", "/api/orders", "")
	v.want(http.StatusUnauthorized, nil, "POST", "/api/login", credentialsJSON("leo"))
}

func TestReadyNamesTheDependencyThatIsMissing(t *testing.T) {
	redis := redistest.Start(t)
	v := visit(t, startShop(t, openShared(t, t.TempDir(), redis), Options{}))
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
	v.want(http.StatusOK, nil, "GET", "/readyz", "")

	redis.Kill()
	var p problem
	v.want(http.StatusServiceUnavailable, &p, "GET", "/readyz", "")
	if !strings.HasPrefix(p.Detail, "not ready: redis: ") || strings.Contains(p.Detail, "database") {
		t.Errorf("detail: %s", p.Detail)
	}
	v.want(http.StatusOK, nil, "GET", "/healthz", "")
	v.want(http.StatusOK, nil, "GET", "/api/products", "")
	a := v.want(http.StatusServiceUnavailable, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := v.want(http.StatusServiceUnavailable, nil, "GET", "/", ""); !strings.Contains(a.body, "Your cart does not respond") {
		t.Error("the page does not say what is missing")
	}

	redis.Restart()
	eventually(t, "ready again", func() bool { return v.do("GET", "/readyz", "").status == http.StatusOK })
	v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
}

func TestReadyNamesTheDatabase(t *testing.T) {
	state := openShared(t, t.TempDir(), redistest.Start(t))
	v := visit(t, startShop(t, state, Options{}))
	databaseOf(state).read.Close()
	var p problem
	v.want(http.StatusServiceUnavailable, &p, "GET", "/readyz", "")
	if !strings.HasPrefix(p.Detail, "not ready: database: ") {
		t.Errorf("detail: %s", p.Detail)
	}
}
