package shop

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestJourney(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))

		var login struct {
			Token string
			Admin bool
		}
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("alice"))
		v.want(http.StatusOK, &login, "POST", "/api/login", credentialsJSON("alice"))
		v = visit(t, v.node) // a program, with the token and without cookies
		v.token = login.Token

		var catalog struct{ Products []Product }
		v.want(http.StatusOK, &catalog, "GET", "/api/products?category=pens", "")
		if n := len(catalog.Products); n != 6 || catalog.Products[0].Name != "Brush Pen" {
			t.Fatalf("%d pens: %+v", n, catalog.Products)
		}
		var cart Cart
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "fineliner", "quantity": 3}`)
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "desk-lamp", "quantity": 1}`)
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`)
		v.want(http.StatusOK, &cart, "DELETE", "/api/cart/items/clips", "")
		want := []Line{
			{"desk-lamp", "Desk Lamp", 1, 89_00, 89_00},
			{"fineliner", "Fineliner", 3, 3_40, 10_20},
		}
		if !slices.Equal(cart.Lines, want) || cart.TotalCents != 99_20 {
			t.Fatalf("cart: %+v", cart)
		}

		var order Order
		v.want(http.StatusCreated, &order, "POST", "/api/orders", "", "Idempotency-Key: journey")
		if !slices.Equal(order.Lines, want) || order.TotalCents != 99_20 || !order.Paid {
			t.Fatalf("order: %+v", order)
		}
		v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
		if len(cart.Lines) != 0 || cart.TotalCents != 0 {
			t.Fatalf("cart after the order: %+v", cart)
		}
		var list struct{ Orders []Order }
		v.want(http.StatusOK, &list, "GET", "/api/orders", "")
		if len(list.Orders) != 1 || list.Orders[0].ID != order.ID || !slices.Equal(list.Orders[0].Lines, want) {
			t.Fatalf("orders: %+v", list.Orders)
		}
	})
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", maxBody)
	cases := []struct {
		name, method, path, body string
		header                   string
		status                   int
		detail                   string // a part of the text
	}{
		{"no such path", "GET", "/api/nothing", "", "", 404, "nothing at this path"},
		{"no such method", "PATCH", "/api/cart", "", "", 405, "for this method"},
		{"no such category", "GET", "/api/products?category=shoes", "", "", 404, `no category "shoes"`},
		{"no such product", "GET", "/api/products/shoe", "", "", 404, `product "shoe": not found`},
		{"no such asset", "GET", "/static/page.html", "", "", 404, "not found"},

		{"form instead of JSON", "POST", "/api/login", "name=a", "Content-Type: application/x-www-form-urlencoded", 415, "application/json"},
		{"broken JSON", "POST", "/api/login", `{"name": `, "", 400, "read body"},
		{"wrong type", "POST", "/api/login", `{"name": 1}`, "", 400, "cannot unmarshal number"},
		{"unknown field", "POST", "/api/register", `{"name": "bob", "password": "12345678", "admin": true}`, "", 400, `unknown field "admin"`},
		{"two values", "POST", "/api/login", `{} {}`, "", 400, "more than one"},
		{"too large", "POST", "/api/login", `{"name": "` + long + `"}`, "", 413, "larger than 16384"},

		{"short name", "POST", "/api/register", `{"name": "al", "password": "12345678"}`, "", 422, "3 to 64 characters"},
		{"markup as name", "POST", "/api/register", `{"name": "<b>bob</b>", "password": "12345678"}`, "", 422, "3 to 64 characters"},
		{"short password", "POST", "/api/register", `{"name": "bob", "password": "1234567"}`, "", 422, "8 to 72 bytes"},
		{"long password", "POST", "/api/register", `{"name": "bob", "password": "` + long[:73] + `"}`, "", 422, "8 to 72 bytes"},
		{"taken name", "POST", "/api/register", credentialsJSON("admin"), "", 409, "taken"},
		{"unknown name", "POST", "/api/login", credentialsJSON("unknown"), "", 401, "name or password is wrong"},
		{"wrong password", "POST", "/api/login", `{"name": "admin", "password": "wrong horse"}`, "", 401, "name or password is wrong"},
		{"endless password", "POST", "/api/login", `{"name": "admin", "password": "` + long[:9000] + `"}`, "", 401, "name or password is wrong"},

		{"unknown stock", "GET", "/api/products/shoe/stock", "", "", 404, `product "shoe"`},
		{"no product to remove", "DELETE", "/api/cart/items/" + long[:200], "", "", 404, "not found"},
		{"profile of a guest", "GET", "/api/me", "", "", 401, "log in first"},
		{"unknown product", "POST", "/api/cart/items", `{"product": "shoe", "quantity": 1}`, "", 404, `product "shoe"`},
		{"no quantity", "POST", "/api/cart/items", `{"product": "clips"}`, "", 422, "quantity must be"},
		{"negative quantity", "POST", "/api/cart/items", `{"product": "clips", "quantity": -1}`, "", 422, "quantity must be"},
		{"half a quantity", "POST", "/api/cart/items", `{"product": "clips", "quantity": 0.5}`, "", 400, "cannot unmarshal number"},
		{"huge quantity", "POST", "/api/cart/items", `{"product": "clips", "quantity": 1001}`, "", 422, "1 to 1000"},

		{"order of a guest", "POST", "/api/orders", "", "", 401, "log in first"},
		{"orders of a guest", "GET", "/api/orders", "", "", 401, "log in first"},
		{"price by a guest", "PUT", "/api/products/clips/price", `{"price_cents": 1}`, "", 401, "log in first"},
		{"not a token", "GET", "/api/cart", "", "Authorization: Bearer x.y.z", 401, "log in again"},
		{"not even a scheme", "GET", "/", "", "Authorization: x", 401, "log in again"},
		{"another site's form", "POST", "/api/logout", "", "Sec-Fetch-Site: cross-site", 403, "another site"},
		{"another origin", "POST", "/api/logout", "", "Origin: https://evil.example", 403, "another site"},
	}
	eachState(t, func(t *testing.T, state *State) {
		node := startShop(t, state, Options{})
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				var headers []string
				if c.header != "" {
					headers = append(headers, c.header)
				}
				var p problem
				a := visit(t, node).want(c.status, &p, c.method, c.path, c.body, headers...)
				if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
					t.Errorf("content type %q", ct)
				}
				if p.Status != c.status || p.Title == "" || !strings.Contains(p.Detail, c.detail) {
					t.Errorf("got %+v, want a detail with %q", p, c.detail)
				}
			})
		}
	})
}

func TestCustomersRefusals(t *testing.T) {
	type refusal struct {
		name, method, path, body, header string
		status                           int
		detail                           string
	}
	cases := []refusal{
		{"price by a customer", "PUT", "/api/products/clips/price", `{"price_cents": 1}`, "", 403, "only an admin"},
		{"empty cart", "POST", "/api/orders", "", "", 409, "cart is empty"},
		{"order with content", "POST", "/api/orders", `{"product": "clips"}`, "", 400, "unknown field"},
		{"order as a form", "POST", "/api/orders", `a=b`, "Content-Type: text/plain", 415, "application/json"},
		{"huge order", "POST", "/api/orders", strings.Repeat(" ", maxBody+1), "", 413, "larger than 16384"},
	}
	for name, key := range map[string]string{
		"empty": "", "spaced": "a b", "quote": `"a`, "binary": "a\x80\xff", "umlaut": "schlüssel", "long": strings.Repeat("k", 256),
		"huge": strings.Repeat("k", 20_000),
	} {
		for _, c := range [][3]string{
			{"POST", "/api/orders", ""},
			{"POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`},
			{"DELETE", "/api/cart/items/clips", ""},
		} {
			cases = append(cases, refusal{name + " key", c[0], c[1], c[2], "Idempotency-Key: " + key, 400, "idempotency key is malformed"})
		}
	}
	v := visit(t, startShop(t, OpenMemory(), Options{}))
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("carol"))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			var p problem
			v.want(c.status, &p, c.method, c.path, c.body, headers...)
			if !strings.Contains(p.Detail, c.detail) {
				t.Errorf("got %+v, want a detail with %q", p, c.detail)
			}
		})
	}
}

func TestAdminSetsPricesAndOldOrdersKeepTheirs(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("admin"))
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		v.want(http.StatusCreated, nil, "POST", "/api/orders", "{}")

		var p Product
		v.want(http.StatusOK, &p, "PUT", "/api/products/clips/price", `{"price_cents": 999}`)
		if p.PriceCents != 999 || p.Name != "Brass Clips" {
			t.Errorf("answer: %+v", p)
		}
		v.want(http.StatusOK, &p, "GET", "/api/products/clips", "")
		if p.PriceCents != 999 {
			t.Errorf("catalog: %+v", p)
		}
		var list struct{ Orders []Order }
		v.want(http.StatusOK, &list, "GET", "/api/orders", "")
		if list.Orders[0].TotalCents != 7_20 {
			t.Errorf("old order: %+v", list.Orders[0])
		}
		v.want(http.StatusNotFound, nil, "PUT", "/api/products/shoe/price", `{"price_cents": 999}`)
		for _, cents := range []string{"0", "-5", "10000001"} {
			v.want(http.StatusUnprocessableEntity, nil, "PUT", "/api/products/clips/price", `{"price_cents": `+cents+`}`)
		}
	})
}

func TestGuestsCartIsTakenAlongAtLogin(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		node := startShop(t, state, Options{})
		v := visit(t, node)
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("dora"))
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`)
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "ledger", "quantity": 1}`)
		v.want(http.StatusNoContent, nil, "POST", "/api/logout", "")

		var cart Cart
		v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
		if len(cart.Lines) != 0 {
			t.Fatalf("a guest sees the cart of who logged out: %+v", cart)
		}
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 5}`)
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "blotter", "quantity": 1}`)
		v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("dora"))
		v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
		got := fmt.Sprint(cart.Lines)
		want := fmt.Sprint([]Line{
			{"clips", "Brass Clips", 7, 7_20, 50_40}, // the sum of the two
			{"blotter", "Desk Blotter", 1, 48_00, 48_00},
			{"ledger", "Ledger", 1, 22_00, 22_00},
		})
		if got != want {
			t.Fatalf("after login: %s, want %s", got, want)
		}
	})
}

// Products that a browser adds as a guest during its login are not lost.
func TestLateAddsFollowTheLogin(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		a := v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		guest, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
		late := visit(t, v.node)
		v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("dora"))
		late.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`, "Cookie: "+guest)
		for range 2 {
			var cart Cart
			v.want(http.StatusOK, &cart, "GET", "/api/cart", "")
			if len(cart.Lines) != 1 || cart.Lines[0].Quantity != 3 {
				t.Errorf("cart: %+v", cart)
			}
		}
	})
}

// The cookie of a guest lasts as long as the cart, even after a login that shortened it.
func TestAGuestKeepsTheCartAfterALogout(t *testing.T) {
	v := visit(t, startShop(t, OpenMemory(), Options{}))
	add := func() string {
		a := v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		return a.header.Get("Set-Cookie")
	}
	const month = "; Max-Age=2592000;"
	for range 2 {
		if c := add(); !strings.HasPrefix(c, "shop_cart=") || !strings.Contains(c, month) {
			t.Errorf("cookie: %s", c)
		}
	}
	a := v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("dora"))
	if c := a.header.Values("Set-Cookie"); !strings.Contains(strings.Join(c, " "), "; Max-Age=60;") {
		t.Errorf("cookies at login: %v", c)
	}
	if c := add(); c != "" {
		t.Errorf("cookie of a customer: %s", c)
	}
	v.want(http.StatusNoContent, nil, "POST", "/api/logout", "")
	if c := add(); !strings.Contains(c, month) {
		t.Errorf("cookie after the logout: %s", c)
	}
}

func TestADoubleClickCountsOnce(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		node := startShop(t, state, Options{})
		for name, v := range map[string]*visitor{"guest": visit(t, node), "dora": visit(t, node)} {
			if name == "dora" {
				v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON(name))
			}
			long := strings.Repeat("k", 255)
			var cart Cart
			for _, click := range []struct {
				method, path, body, key string
				clips                   int
			}{
				{"POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`, "one", 2},
				{"POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`, "one", 2},
				{"POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`, long, 4},
				{"POST", "/api/cart/items", `{"product": "clips", "quantity": 2}`, long, 4},
				{"DELETE", "/api/cart/items/clips", "", "two", 0},
				{"POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`, "three", 1},
				{"DELETE", "/api/cart/items/clips", "", "two", 1},
			} {
				v.want(http.StatusOK, &cart, click.method, click.path, click.body, "Idempotency-Key: "+click.key)
				if cart.TotalCents != int64(click.clips)*7_20 {
					t.Errorf("%s %s under %.9s: %+v, want %d", click.method, click.path, click.key, cart, click.clips)
				}
			}
		}
	})
}

func TestForgedCookiesMakeAGuest(t *testing.T) {
	node := startShop(t, OpenMemory(), Options{})
	for _, cookie := range []string{
		"shop_session=x.y.z", "shop_cart=" + strings.Repeat("A", 27), "shop_cart=user:admin", "shop_cart=" + strings.Repeat("%00", 26),
	} {
		var cart Cart
		visit(t, node).want(http.StatusOK, &cart, "GET", "/api/cart", "", "Cookie: "+cookie)
		if len(cart.Lines) != 0 {
			t.Errorf("%s: %+v", cookie, cart)
		}
	}
}

func TestCookiesAreSecureBehindHTTPS(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		a := v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("admin"), "X-Forwarded-Proto: https")
		if c := a.header.Get("Set-Cookie"); !strings.Contains(c, "; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("cookie: %s", c)
		}
		a = v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("admin"))
		if c := a.header.Get("Set-Cookie"); strings.Contains(c, "Secure") || !strings.Contains(c, "HttpOnly") {
			t.Errorf("cookie on plain HTTP: %s", c)
		}
	})
}

func TestMetricsCountByRoute(t *testing.T) {
	v := visit(t, startShop(t, OpenMemory(), Options{}))
	v.want(http.StatusOK, nil, "GET", "/api/products/clips", "")
	v.want(http.StatusOK, nil, "GET", "/api/products/ledger", "")
	v.want(http.StatusNotFound, nil, "GET", "/wp-login.php", "")
	body := v.want(http.StatusOK, nil, "GET", "/metrics", "").body
	for _, line := range []string{
		`http_requests_total{code="200",route="GET /api/products/{id}"} 2`,
		`http_requests_total{code="404",route="none"} 1`,
		`http_request_duration_seconds_count{route="GET /api/products/{id}"} 2`,
		`active_connections 0`, // counted by the server of the program, which this test does not use
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
