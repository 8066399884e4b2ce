package shop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// BenchmarkShop measures the CPU cost of one node, without network and payments: in memory, with shared state, and with shared state
// but without the cache of the catalog. The CPU time of Redis is not included.
func BenchmarkShop(b *testing.B) {
	for _, kind := range []string{"memory", "shared", "uncached"} {
		state := OpenMemory()
		if kind != "memory" {
			state = openShared(b, b.TempDir(), redistest.Start(b))
		}
		if kind == "uncached" {
			state.Catalog = state.Catalog.(cachedCatalog).Catalog
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
				defer perCPU(b)()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						send(b, "", "GET", path, "", http.StatusOK)
					}
				})
			})
		}
		var customers atomic.Int64
		buying := func(steps ...func(b *testing.B, token string)) func(*testing.B) {
			return func(b *testing.B) {
				defer perCPU(b)()
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
						for _, step := range steps {
							step(b, token)
						}
					}
				})
			}
		}
		add := func(b *testing.B, token string) {
			send(b, token, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`, http.StatusOK)
		}
		remove := func(b *testing.B, token string) { send(b, token, "DELETE", "/api/cart/items/clips", "", http.StatusOK) }
		order := func(b *testing.B, token string) { send(b, token, "POST", "/api/orders", "", http.StatusCreated) }
		b.Run(kind+"/cart", buying(add, remove))
		b.Run(kind+"/checkout", buying(add, order))
	}
}

// perCPU reports the rounds per CPU second of this process.
func perCPU(b *testing.B) func() {
	begun := cpu()
	return func() { b.ReportMetric(float64(b.N)/(cpu()-begun).Seconds(), "per-cpu-s") }
}

func cpu() time.Duration {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used) // does not fail for the own process
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
