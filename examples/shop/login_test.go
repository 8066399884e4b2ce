package shop

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// cookieOf returns the login cookie of a response in the form of a request, as for a copied cookie.
func cookieOf(t *testing.T, a answer) string {
	t.Helper()
	for _, line := range a.header.Values("Set-Cookie") {
		if pair, _, _ := strings.Cut(line, ";"); strings.HasPrefix(pair, loginCookie+"=") {
			return "Cookie: " + pair
		}
	}
	t.Fatalf("no login cookie in %v", a.header)
	return ""
}

func TestLogoutEndsTheLoginAlsoForACopiedCookie(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		copied := cookieOf(t, v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("mia")))
		thief := visit(t, v.node)
		thief.want(http.StatusOK, nil, "GET", "/api/orders", "", copied)
		v.want(http.StatusNoContent, nil, "POST", "/api/logout", "")
		v.want(http.StatusUnauthorized, nil, "GET", "/api/orders", "")
		thief.want(http.StatusUnauthorized, nil, "GET", "/api/orders", "", copied)
		v.want(http.StatusNoContent, nil, "POST", "/api/logout", "") // a second click
	})
}

func TestLogoutEverywhereEndsAllLoginsOfOneCustomer(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		node := startShop(t, state, Options{})
		phone, laptop, other := visit(t, node), visit(t, node), visit(t, node)
		phone.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("mia"))
		laptop.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("mia"))
		other.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("leo"))
		laptop.want(http.StatusNoContent, nil, "POST", "/api/logout-everywhere", "")
		phone.want(http.StatusUnauthorized, nil, "GET", "/api/orders", "")
		laptop.want(http.StatusUnauthorized, nil, "POST", "/api/logout-everywhere", "")
		other.want(http.StatusOK, nil, "GET", "/api/orders", "")
		laptop.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("mia"))
		laptop.want(http.StatusOK, nil, "GET", "/api/orders", "")
	})
}

func TestEachLoginHasItsOwnCookie(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		first := cookieOf(t, v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("mia")))
		again := cookieOf(t, v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("mia")))
		other := cookieOf(t, v.want(http.StatusOK, nil, "POST", "/api/login", credentialsJSON("admin")))
		if first == again || again == other {
			t.Errorf("cookies %q, %q, %q", first, again, other)
		}
		v.want(http.StatusOK, nil, "PUT", "/api/products/clips/price", `{"price_cents": 1}`) // as the admin now
	})
}

func TestLogoutOnOneNodeHoldsOnAll(t *testing.T) {
	redis, dir := redistest.Start(t), t.TempDir()
	one, two := startShop(t, openShared(t, dir, redis), Options{}), startShop(t, openShared(t, dir, redis), Options{})
	v := visit(t, one)
	copied := cookieOf(t, v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("mia")))
	v.node = two
	v.want(http.StatusNoContent, nil, "POST", "/api/logout", "")
	visit(t, one).want(http.StatusUnauthorized, nil, "GET", "/api/orders", "", copied)
}

// While Redis is down, a visitor with a login must not look logged out.
func TestNobodyIsLoggedOutWhileRedisIsDown(t *testing.T) {
	redis := redistest.Start(t)
	v := visit(t, startShop(t, openShared(t, t.TempDir(), redis), Options{}))
	v.want(http.StatusCreated, nil, "POST", "/api/register", credentialsJSON("mia"))
	redis.Kill()
	for _, path := range []string{"/api/orders", "/"} {
		a := v.want(http.StatusServiceUnavailable, nil, "GET", path, "")
		if cookies := a.header.Values("Set-Cookie"); len(cookies) > 0 || strings.Contains(a.body, `data-opens="account"`) {
			t.Errorf("GET %s treats a customer as a guest: %v %s", path, cookies, a.body)
		}
		if path == "/" && !strings.Contains(a.body, "Desk Lamp") {
			t.Error("the page does not show the products")
		}
	}
	v.want(http.StatusServiceUnavailable, nil, "POST", "/api/logout", "")
	v.want(http.StatusOK, nil, "GET", "/api/products", "")
}
