package shop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkShop measures what one node's own work costs, without network and without waiting for payments.
func BenchmarkShop(b *testing.B) {
	for _, kind := range []string{"memory", "shared"} {
		state := OpenMemory()
		if kind == "shared" {
			state = openShared(b, b.TempDir(), startRedis(b))
		}
		s, err := New(state, Options{PasswordCost: 4})
		if err != nil {
			b.Fatal(err)
		}
		send := func(b *testing.B, token, method, path, body string, status int) {
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			if body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != status {
				b.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
		for _, path := range []string{"/", "/api/products?category=pens", "/api/products/clips"} {
			b.Run(kind+"/GET "+path, func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						send(b, "", "GET", path, "", http.StatusOK)
					}
				})
			})
		}
		var customers atomic.Int64
		b.Run(kind+"/checkout", func(b *testing.B) { // an item into the cart, and an order
			b.RunParallel(func(pb *testing.PB) {
				user, err := s.addUser(b.Context(), credentials{fmt.Sprint("bench-", customers.Add(1)), testPassword}, false)
				if err != nil {
					b.Error(err)
					return
				}
				token, err := s.tokens.sign(user)
				if err != nil {
					b.Error(err)
					return
				}
				for pb.Next() {
					send(b, token, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`, http.StatusOK)
					send(b, token, "POST", "/api/orders", "", http.StatusCreated)
				}
			})
		})
	}
}
