package gateway

import (
	"net/http/httptest"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
)

func TestServiceOf(t *testing.T) {
	routes := []config.Route{
		{Path: "/", To: "web"},
		{Path: "/api", To: "api", Methods: []string{"GET"}},
		{Path: "/api", To: "orders", Methods: []string{"POST"}},
		{Host: "shop.test", Path: "/cart", To: "shop"},
	}
	for _, c := range []struct{ method, url, want string }{
		{"GET", "http://localhost:8080/", "web"},
		{"GET", "http://localhost:8080/api/products", "api"},
		{"POST", "http://localhost:8080/api/products", "orders"},
		{"PUT", "http://localhost:8080/api/products", "web"},
		{"GET", "http://shop.test/cart", "shop"},
		{"GET", "http://other.test/cart", "web"},
	} {
		if got := ServiceOf(routes, httptest.NewRequest(c.method, c.url, nil)); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.url, got, c.want)
		}
	}
	if got := ServiceOf(routes[3:], httptest.NewRequest("GET", "http://shop.test/other", nil)); got != "" {
		t.Errorf("a request without a route: %q", got)
	}
}
